"""Photographs of things and places for backgrounds and false-face checks, taken from packages.

They are fetched by the system's package manager, unpacked into a cache folder that is never
committed, screened for people and split into a training half and a held-out half::

    EDGE_MODELS_DIR=... python -m models.training.detector.photos

The cache holds three kinds of them: ``photos`` (JPEG, long side <= 1280), ``textures`` (JPEG,
<= 256) and ``stamps`` (objects cut out with an alpha channel, PNG, <= 256). For training alone it
holds what is drawn besides: ``drawn`` (procedural backgrounds, JPEG) and ``animals`` (their heads,
PNG).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

PACKAGES = (
    "plasma-workspace-wallpapers",
    "mate-backgrounds",
    "ukui-wallpapers",
    "gnome-backgrounds",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "gimp-data",
    "tuxpaint-stamps-default",
    "nexuiz-textures",
)
# Names that mean a face, a person or a portrait: neither a fair negative nor a fair test.
DENIED = (
    "people", "faces", "cartoon", "money", "monument", "apes", "toys", "halloween", "armor",
    "snowman", "santa", "angel", "doll", "clown", "konqui", "friends", "umang", "scarecrow",
    "christmas", "skull", "mask", "symbols", "beavis", "screenshot", "dark/", "medical",
)  # fmt: skip
SCIKIT = (
    "brick", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "retina", "rocket", "stereo_motorcycle", "text",
)  # fmt: skip
TEXTURES = 700
CUT_OUT = ("stamps", "animals")
"""Kinds with an alpha channel."""

Picture = NDArray[np.uint8]


def default_cache() -> Path:
    """Where the pictures lie unless told otherwise."""
    from models.training.folders import data_folder

    return data_folder() / "photos"


def fetch(folder: Path) -> None:
    """Download the packages and unpack them into ``folder``, one folder per package.

    Raises:
        FileNotFoundError: This system has no apt-get.
        CalledProcessError: A package could not be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "update", "-qq"], check=False)
    for package in PACKAGES:
        target = folder / package
        if target.exists():
            continue
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=scratch, check=True)
            archive = next(Path(scratch).glob("*.deb"))
            subprocess.run(["dpkg", "-x", str(archive), str(target)], check=True)


def held_out(group: str) -> bool:
    """Whether the pictures of ``group`` are kept for measuring; stable over runs and machines."""
    return hashlib.sha256(group.encode()).digest()[0] % 2 == 1


def shrink(picture: Picture, longest: int) -> Picture:
    """Return ``picture`` with its long side at most ``longest`` pixels."""
    factor = longest / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return cast(Picture, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def read_pattern(data: bytes) -> Picture | None:
    """Decode a GIMP pattern (version 1) to uint8 (H, W, 3) BGR."""
    header, version, width, height, depth = np.frombuffer(data[:20], ">u4").tolist()
    if version != 1 or len(data) < header + width * height * depth or depth not in (1, 3):
        return None
    pixels = np.frombuffer(data, np.uint8, width * height * depth, header)
    pixels = pixels.reshape(height, width, depth)
    return np.ascontiguousarray(np.broadcast_to(pixels[..., ::-1], (height, width, 3)))


def packaged(folder: Path) -> Iterator[tuple[str, str, Picture]]:
    """Yield (kind, group, picture) of every usable picture of the unpacked packages."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or any(word in name.lower() for word in DENIED):
            continue
        kind = {"tuxpaint": "stamps", "gimp-dat": "textures"}.get(name[:8], "photos")
        # A wallpaper comes in several sizes: all of them belong to one half.
        group = name.split("/contents/")[0].split("_")[0] if kind == "photos" else name
        suffix = path.suffix.lower()
        if suffix == ".pat":
            picture = read_pattern(path.read_bytes())
        elif suffix in {".jpg", ".jpeg", ".png", ".webp"} and path.stat().st_size > 3000:
            mode = cv2.IMREAD_UNCHANGED if kind == "stamps" else cv2.IMREAD_COLOR
            picture = cast("Picture | None", cv2.imread(str(path), mode))
        else:
            continue
        if picture is None or min(picture.shape[:2]) < 40:
            continue
        if kind == "stamps" and (picture.ndim != 3 or picture.shape[2] != 4):
            continue
        yield kind, group, picture


def archived(folder: Path) -> Iterator[tuple[str, str, Picture]]:
    """Yield (kind, group, picture) of wall, floor and metal textures inside game archives."""
    for path in sorted(folder.rglob("*.pk3")):
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(".jpg")]
            derived = ("_norm", "_bump", "_gloss", "_glow", "_shirt", "_pants")
            names = [n for n in names if not any(word in n for word in derived)]
            for name in names[:: max(1, len(names) // TEXTURES)]:
                data = np.frombuffer(io.BytesIO(archive.read(name)).read(), np.uint8)
                picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
                if picture is not None and min(picture.shape[:2]) >= 40:
                    yield "textures", name, cast(Picture, picture)


def from_scikit() -> Iterator[tuple[str, str, Picture]]:
    """Yield (kind, group, picture) of scikit-image's own pictures without people."""
    import skimage.data

    for name in SCIKIT:
        loaded = getattr(skimage.data, name)()
        picture = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        yield "photos", f"scikit/{name}", np.ascontiguousarray(picture[..., 2::-1])


class Screen:
    """A look for people by an outside detector, where one is installed."""

    def __init__(self) -> None:
        """Load YuNet from the folder that EDGE_MODELS_DIR names."""
        path = Path(os.environ.get("EDGE_MODELS_DIR", "")) / "yunet_n_dynamic.onnx"
        self.net = cv2.FaceDetectorYN.create(str(path), "", (64, 64)) if path.is_file() else None

    def has_face(self, picture: Picture, threshold: float = 0.6) -> bool:
        """Whether a face is found in uint8 (H, W, 3) BGR; False where there is no detector."""
        if self.net is None:
            return False
        for longest in (320, 1280):
            small = np.ascontiguousarray(shrink(picture, longest)[..., :3])
            self.net.setInputSize((small.shape[1], small.shape[0]))
            self.net.setScoreThreshold(threshold)
            if self.net.detect(small)[1] is not None:
                return True
        return False


def build(packages: Path, cache: Path, console: Console) -> None:
    """Screen, shrink, split and write the pictures of ``packages`` into ``cache``."""
    screen = Screen()
    if screen.net is None:
        console.print("EDGE_MODELS_DIR has no yunet_n_dynamic.onnx: pictures are not screened")
    counts: dict[str, int] = {}
    for source in (packaged(packages), archived(packages), from_scikit()):
        for kind, group, picture in source:
            picture = shrink(picture, 1280 if kind == "photos" else 256)
            name = hashlib.sha256(group.encode() + picture.tobytes()).hexdigest()[:16]
            half = "held" if held_out(group) else "train"
            # A drawn animal or a cat may trip the screen too; leaving it out costs little.
            if screen.has_face(picture):
                half = "people"
            folder = cache / half / kind
            folder.mkdir(parents=True, exist_ok=True)
            suffix = ".png" if kind == "stamps" else ".jpg"
            quality = [] if kind == "stamps" else [cv2.IMWRITE_JPEG_QUALITY, 95]
            cv2.imwrite(str(folder / (name + suffix)), picture, quality)
            counts[f"{half}/{kind}"] = counts.get(f"{half}/{kind}", 0) + 1
    console.print(counts)


def draw(cache: Path, count: int) -> None:
    """Add procedural backgrounds, uint8 (384, 384, 3), and twice as many animals' heads, BGRA.

    They join the training half; the held-out one has photographs alone.
    """
    from models.training.detector.animals import animal
    from models.training.faces.background import background

    folder = cache / "train" / "drawn"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        cv2.imwrite(str(folder / f"{seed:06d}.jpg"), background(384, 384, seed))
    folder = cache / "train" / "animals"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(2 * count):
        head = animal(192, np.random.default_rng((43, seed)))
        cv2.imwrite(str(folder / f"{seed:06d}.png"), head)


def load(half: str, kind: str, cache: Path) -> list[Picture]:
    """Read the pictures of one half ("train" or "held") and kind; BGR, cut-out ones BGRA."""
    mode = cv2.IMREAD_UNCHANGED if kind in CUT_OUT else cv2.IMREAD_COLOR
    paths = sorted((cache / half / kind).glob("*"))
    pictures = (cv2.imread(str(path), mode) for path in paths)
    return [cast(Picture, picture) for picture in pictures if picture is not None]


def refill(cache: Path, packages: Path, drawn: int) -> None:
    """Make the cache anew from unpacked packages, with ``drawn`` procedural backgrounds."""
    for half in ("train", "held", "people"):
        shutil.rmtree(cache / half, ignore_errors=True)
    build(packages, cache, Console())
    draw(cache, drawn)


def main() -> None:
    """Fetch the packages and fill the cache."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, help="folder of packages unpacked before")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--drawn", type=int, default=500, help="procedural backgrounds added")
    options = parser.parse_args()
    packages = options.packages or options.cache / "packages"
    if options.packages is None:
        fetch(packages)
    refill(options.cache, packages, options.drawn)


if __name__ == "__main__":
    main()
