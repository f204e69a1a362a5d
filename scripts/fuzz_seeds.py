"""Good files for the fuzzers to damage: small, of every kind that is read, made on the spot."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.jobs.file import swap_file
from edge.media.formats import jpeg, png, webp
from edge.media.video_in import open_video
from edge.media.video_out import VideoWriter
from tests import tiny
from tests.bundles import bundle
from tests.quantize.graphs import reference_like
from tests.scene import Stage, target

SIZE = (160, 208)
FRAMES = 4
HOME, SEEDS, IDENTITY = "home", "seeds", "nobody.identity"


def _textured(seed: int = 0) -> NDArray[np.uint8]:
    """Return a small target with a face for the tiny detector, and some texture to code."""
    frame = target(SIZE, ((9, 8),))
    noise = np.random.default_rng(seed).integers(0, 24, (*SIZE, 3), dtype=np.uint8)
    return np.where(frame > 200, frame, frame + cv2.GaussianBlur(noise, (0, 0), 2)).astype(np.uint8)


def _video(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(_textured(number), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for start in range(0, 16000 * FRAMES // 10, 1024):
            wave = np.sin(np.arange(start, start + 1024) / 5)[None].astype(np.float32)
            piece = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            piece.sample_rate, piece.pts = 16000, start
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


def _recoded(source: Path, path: Path) -> Path:
    with open_video(source) as reader, VideoWriter(path, reader.info, {}) as writer:
        for frame in reader:
            writer.write(frame.frame, frame.pts)
    return path


def _exif(data: bytes, orientation: int) -> bytes:
    """Return a JPEG with an EXIF segment that turns it."""
    body = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    )
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def _pictures(folder: Path) -> None:
    frame, icc = _textured(), bytes(128) + b"acsp" + bytes(300)
    coded = {
        suffix: cv2.imencode(suffix, frame)[1].tobytes() for suffix in (".jpg", ".png", ".webp")
    }
    progressive = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    clear = np.dstack([frame, np.full(SIZE, 200, np.uint8)])
    wide = frame.astype(np.uint16) * 257
    files = {
        "jpeg-plain.jpg": coded[".jpg"],
        "jpeg-progressive.jpg": progressive,
        "jpeg-exif-icc.jpg": _exif(jpeg.with_icc(coded[".jpg"], icc), 6),
        "png-plain.png": coded[".png"],
        "png-alpha-icc.png": png.with_icc(cv2.imencode(".png", clear)[1].tobytes(), icc),
        "png-wide.png": cv2.imencode(".png", wide)[1].tobytes(),
        "webp-plain.webp": coded[".webp"],
        "webp-alpha-icc.webp": webp.with_icc(cv2.imencode(".webp", clear)[1].tobytes(), icc),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def make_seeds(root: Path) -> None:
    """Make a home with tiny models and an identity of nobody, and good files of every kind.

    Args:
        root: An empty folder; it gets `home`, `nobody.identity` and `seeds` with files named
            `<kind>-<what>.<suffix>`. The process's EDGE_HOME is pointed into it.
    """
    home, seeds = root / HOME, root / SEEDS
    seeds.mkdir(parents=True)
    os.environ["EDGE_HOME"] = str(home)
    made = bundle(home, root / "made")
    stage: Stage = made.stage
    shutil.copy(stage.identity_file, root / IDENTITY)
    _pictures(seeds)
    _video(seeds / "mp4-plain.mp4")
    _recoded(seeds / "mp4-plain.mp4", seeds / "mp4-h264.mov")
    swapper = stage.swapper()
    for kind, suffix in (("jpeg", ".jpg"), ("png", ".png"), ("webp", ".webp")):
        signed = seeds / f"{kind}-signed{suffix}"
        swap_file(swapper, seeds / f"{kind}-plain{suffix}", signed)
        shutil.copy(signed, seeds / f"xmp-{kind}{suffix}")
    swap_file(swapper, seeds / "mp4-plain.mp4", seeds / "mp4-signed.mp4")
    (seeds / "onnx-reference.onnx").write_bytes(reference_like().SerializeToString())
    (seeds / "onnx-swapper.onnx").write_bytes(tiny.swapper(32))
    with zipfile.ZipFile(seeds / "zip-bundle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(made.folder.rglob("*")):
            if path.is_file():  # a bundle's .zip holds no folders
                archive.write(path, path.relative_to(made.folder))
