"""Pictures for the watermark's bench: photographs, rendered faces, graphics, night and noise.

Photographs and graphics are those of Debian's wallpaper packages, which are downloaded and unpacked
beside the pictures (no root needed); none is committed. The rest is drawn here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge import resources
from edge.errors import MediaError

Frame = NDArray[np.uint8]

WIDTH, HEIGHT = 1920, 1080
PACKAGES = (
    "plasma-workspace-wallpapers",
    "mate-backgrounds",
    "ukui-wallpapers",
    "gnome-backgrounds",
)
PHOTOGRAPHS = (
    *(
        f"backgrounds/mate/nature/{name}.jpg"
        for name in (
            *("Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow", "LadyBird"),
            *("RainDrops", "Storm", "TwoWings", "Wood", "YellowFlower"),
        )
    ),
    "backgrounds/mate/abstract/Elephants_5640x3172.jpg",
    *(
        f"wallpapers/{name}/contents/images/2560x1600.jpg"
        for name in (
            *("Autumn", "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow"),
            *("FallenLeaf", "Grey", "Kite", "OneStandsOut", "Path", "summer_1am"),
        )
    ),
)
SCENES = ("brick", "chelsea", "coffee", "coins", "grass", "gravel", "rocket")
"""Photographs of things that scikit-image has in its wheel, where this version has them."""

NIGHT = ("DarkestHour", "EveningGlow", "Path", "Kite", "BytheWater", "OneStandsOut", "Autumn")
DESKTOP = (120, 90, 50)  # blue, green, red
FACES, DRAWN, NOISE = 24, 20, 12


@dataclass(frozen=True, slots=True)
class Item:
    """One picture.

    Attributes:
        kind: photograph, face, graphic, night or noise.
        path: A lossless file of 1920 x 1080 pixels.
    """

    kind: str
    path: Path


def corpus(folder: Path) -> list[Item]:
    """Return all pictures, made where they are missing.

    Args:
        folder: Where packages and pictures are kept.

    Raises:
        MediaError: A package cannot be had.
    """
    unpacked = _unpacked(folder)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    items = []
    for kind, makers in _makers(unpacked).items():
        for name, make in makers:
            path = pictures / f"{kind}-{name}.png"
            if not path.exists():
                part = path.with_suffix(".part.png")
                cv2.imwrite(str(part), make(), [cv2.IMWRITE_PNG_COMPRESSION, 2])
                part.replace(path)
            items.append(Item(kind, path))
    return items


def _unpacked(folder: Path) -> Path:
    """Return the folder in which the wallpapers lie, after downloading what is missing."""
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not any(packages.glob(f"{package}_*.deb")):
            if shutil.which("apt-get") is None:
                raise MediaError(f"{package}: apt-get is not here: this needs Debian or its like")
            command = ["apt-get", "download", "-qq", package]
            done = subprocess.run(command, cwd=packages, capture_output=True, text=True)
            if done.returncode:
                raise MediaError(
                    f"{package}: no download; try: sudo apt-get update ({done.stderr})"
                )
        mark = packages / f"{package}.unpacked"
        if not mark.exists():
            (archive,) = packages.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", str(archive), str(packages / "root")], check=True)
            mark.touch()
    return packages / "root" / "usr" / "share"


Maker = tuple[str, Callable[[], Frame]]


def _makers(share: Path) -> dict[str, list[Maker]]:
    rendered = [(f"{seed:02}", partial(_face, seed)) for seed in range(FACES)]
    samples = [(path.stem, partial(_fitted_file, path)) for path in _samples()]
    screens = [(f"drawn-{seed:02}", partial(drawn, seed)) for seed in range(DRAWN)]
    return {
        "photograph": list(_photographs(share)),
        "face": [*rendered, *samples],
        "graphic": [*_graphics(share), *screens],
        "night": list(_nights(share)),
        "noise": [(f"{seed:02}", partial(_noise, seed)) for seed in range(NOISE)],
    }


def _samples() -> list[Path]:
    return sorted(resources.samples_dir().glob("sample-*.jpg"))


def _read(path: Path) -> Frame:
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise MediaError(f"{path}: cannot be read")
    if stored.ndim == 3 and stored.shape[2] == 4 and stored.dtype == np.uint8:
        # Wallpapers with clear parts are shown on the desktop's colour.
        solid = stored[..., 3:].astype(np.float32) / 255
        return np.asarray(stored[..., :3] * solid + np.array(DESKTOP) * (1 - solid), np.uint8)
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


def fitted(frame: Frame) -> Frame:
    """Return a picture scaled so that it covers 1920 x 1080, and cut to that."""
    scale = max(WIDTH / frame.shape[1], HEIGHT / frame.shape[0])
    size = (max(WIDTH, round(frame.shape[1] * scale)), max(HEIGHT, round(frame.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return _cut(np.asarray(cv2.resize(frame, size, interpolation=method), np.uint8), 0.5, 0.5)


def _fitted_file(path: Path) -> Frame:
    return fitted(_read(path))


def _part(path: Path, across: float, down: float) -> Frame:
    return _cut(_read(path), across, down)


def _cut(frame: Frame, across: float, down: float) -> Frame:
    left = round((frame.shape[1] - WIDTH) * across)
    top = round((frame.shape[0] - HEIGHT) * down)
    return np.ascontiguousarray(frame[top : top + HEIGHT, left : left + WIDTH])


def _photographs(share: Path) -> Iterator[Maker]:
    for name in PHOTOGRAPHS:
        path = share / name
        short = path.stem if "mate" in name else path.parents[2].name
        yield short, partial(_fitted_file, path)
        # Parts at the camera's own sharpness, where there is more than one screen of it.
        if "2560x1600" in name or short in {"Aqua", "Garden", "LadyBird", "TwoWings", "Wood"}:
            for number, place in enumerate(((0.1, 0.15), (0.95, 0.9))):
                yield f"{short}-{number}", partial(_part, path, *place)
    from skimage import data

    for name in SCENES:
        if hasattr(data, name):
            yield f"skimage-{name}", partial(_scene, name)


def _scene(name: str) -> Frame:
    from skimage import data

    picture = np.asarray(getattr(data, name)())
    colours = picture[..., 2::-1] if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    return fitted(np.ascontiguousarray(colours))


def _graphics(share: Path) -> Iterator[Maker]:
    photographs = {share / name for name in PHOTOGRAPHS}
    seen = 0
    for path in sorted([*share.rglob("*.jpg"), *share.rglob("*.png"), *share.rglob("*.webp")]):
        small = path.stat().st_size < 20_000 or "screenshot" in path.name
        if small or path.is_symlink() or path in photographs or "Elephants" in path.name:
            continue
        seen += 1
        yield f"{seen:02}-{path.stem}", partial(_fitted_file, path)


def _nights(share: Path) -> Iterator[Maker]:
    for number, name in enumerate(NIGHT):
        path = share / f"wallpapers/{name}/contents/images/2560x1600.jpg"
        for level in (40, 70, 110):
            yield f"{name}-{level}", partial(_darkened, path, level, number)


def _darkened(path: Path, level: int, seed: int) -> Frame:
    """Return a picture as a camera takes it with little light: dark, and with its noise."""
    frame = fitted(_read(path)).astype(np.float32) / 255
    noise = np.random.default_rng(seed).standard_normal(frame.shape).astype(np.float32)
    return np.asarray(np.clip(frame**2 * level + noise * 2, 0, 255), np.uint8)


def _face(seed: int) -> Frame:
    from models.training.faces.background import background
    from models.training.faces.identity import sample_identity
    from models.training.faces.render import render_onto
    from models.training.faces.scene import sample_scene

    place = background(HEIGHT, WIDTH, 7_000_000 + seed)
    scene = sample_scene(7_100_000 + seed, max_yaw=40, plain=True)
    centre = (WIDTH * (0.3 + 0.4 * (seed % 5) / 4), HEIGHT * 0.5)
    size = 240 + 60 * (seed % 4)
    return render_onto(place, sample_identity(7_200_000 + seed), scene, centre, size).picture


def drawn(seed: int) -> Frame:
    """Return windows, lines of text and a chart, as on a screen."""
    rng = np.random.default_rng(seed)
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = rng.integers(*((20, 70) if seed % 4 == 0 else (190, 256)), 3)
    for _ in range(rng.integers(4, 14)):
        x, y = (int(value) for value in rng.integers(0, (1700, 950)))
        w, h = (int(value) for value in rng.integers((60, 40), (700, 500)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.rectangle(frame, (x, y), (x + w, y + h), colour, -1)
    for _ in range(40):
        place = tuple(int(value) for value in rng.integers((0, 20), (1600, HEIGHT)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        text = "The quick brown fox 0123456789"[: int(rng.integers(5, 31))]
        size, weight = float(rng.uniform(0.4, 1.6)), int(rng.integers(1, 3))
        cv2.putText(frame, text, place, int(rng.integers(0, 4)), size, colour, weight, cv2.LINE_AA)
    heights = np.cumsum(rng.standard_normal(60)) * 30 + 600
    points = np.stack([np.linspace(200, 1700, 60), heights], 1).astype(np.int32)
    cv2.polylines(frame, [points], False, (200, 80, 20), 3, cv2.LINE_AA)
    return frame


def _noise(seed: int) -> Frame:
    """Return noise of one size, from a camera's faint to a broken receiver's."""
    rng = np.random.default_rng(seed)
    strength, grain = (4, 12, 30, 60)[seed % 4], (1, 2, 6)[seed // 4]
    small = rng.standard_normal((HEIGHT // grain, WIDTH // grain, 3)).astype(np.float32)
    whole = np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR))
    return np.asarray(np.clip(rng.uniform(50, 200) + whole * strength, 0, 255), np.uint8)
