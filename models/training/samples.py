"""Make the shipped samples: pictures, a video with sound, source photos and their consent.

Everybody in them is rendered: nobody is shown. Run from the repository's root:

    python -m models.training.samples --out models/samples
"""

from __future__ import annotations

import argparse
import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from rich.console import Console

from models.training.clip import (
    SOURCE,
    VIDEO_PERSON,
    VIDEO_RATE,
    VIDEO_SECONDS,
    VIDEO_SIZE,
    calm,
    drawn,
)
from models.training.faces.identity import sample_identity
from models.training.faces.places import place
from models.training.faces.render import render, render_onto

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES: dict[str, tuple[int, tuple[tuple[int, int, float, float, float], ...]]] = {
    # name: (seed of the place, (identity seed, scene seed, x, y, face height), ...)
    "sample-two": (
        2_100_010,
        ((2_000_123, 2_200_011, 690.0, 500.0, 290.0), (2_000_125, 2_200_012, 1240.0, 530.0, 275.0)),
    ),
    "sample-one": (2_100_002, ((2_000_136, 2_200_013, 900.0, 520.0, 320.0),)),
    "sample-three": (
        2_100_035,
        (
            (2_000_104, 2_200_014, 500.0, 560.0, 230.0),
            (2_000_105, 2_200_015, 960.0, 500.0, 245.0),
            (2_000_106, 2_200_016, 1430.0, 570.0, 225.0),
        ),
    ),
}
SOUND_RATE = 48_000


def _jpeg(picture: NDArray[np.uint8], path: Path, limit: int) -> None:
    """Write `picture` (uint8 (H, W, 3) BGR) as JPEG of at most `limit` bytes."""
    for quality in range(95, 40, -3):
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok and len(data) <= limit:
            path.write_bytes(data.tobytes())
            return
    raise RuntimeError(f"{path.name} does not fit into {limit} bytes")


def _pictures(folder: Path) -> None:
    for name, (where, people) in PICTURES.items():
        frame = place(1080, 1920, where)
        for identity, scene, x, y, height in people:
            shown = render_onto(frame, sample_identity(identity), calm(scene), (x, y), height)
            frame = shown.picture
        _jpeg(frame, folder / f"{name}.jpg", 400_000)


def _sources(folder: Path) -> list[Path]:
    paths = []
    for number, seed in enumerate((2_300_001, 2_300_002, 2_300_005), start=1):
        path = folder / f"source-{number}.jpg"
        _jpeg(render(sample_identity(SOURCE), calm(seed), 640).picture, path, 150_000)
        paths.append(path)
    return paths


def _melody() -> NDArray[np.float32]:
    """Return a soft run of bell tones, float32 (2, N) in [-1, 1]."""
    time = np.arange(SOUND_RATE * VIDEO_SECONDS) / SOUND_RATE
    sound = np.zeros_like(time)
    for number, note in enumerate((0, 4, 7, 12, 9, 7, 4, 0)):  # semitones above A4
        start = number * VIDEO_SECONDS / 8
        since = np.clip(time - start, 0, None)
        tone = np.sin(2 * np.pi * 440 * 2 ** (note / 12) * since)
        sound += np.where(time >= start, 0.18 * tone * np.exp(-4 * since), 0)
    return np.stack([sound, sound]).astype(np.float32)


def _video(path: Path) -> None:
    width, height = VIDEO_SIZE
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        picture = container.add_stream("libx264", rate=VIDEO_RATE)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        picture.options = {"crf": "21", "preset": "slow"}
        sound = container.add_stream("aac", rate=SOUND_RATE)
        sound.bit_rate = 96_000
        for number in range(VIDEO_RATE * VIDEO_SECONDS):
            shown = drawn(sample_identity(VIDEO_PERSON), number)
            frame = av.VideoFrame.from_ndarray(shown.picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, VIDEO_RATE)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        _add_sound(container, sound)


def _add_sound(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    melody = _melody()
    for start in range(0, melody.shape[1], 1024):
        piece = np.ascontiguousarray(melody[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SOUND_RATE, start
        frame.time_base = Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def main() -> None:
    """Make all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/samples"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    _pictures(folder)
    photos = _sources(folder)
    _video(folder / "sample.mp4")
    console = Console()
    for path in sorted(folder.iterdir()):
        console.print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
    console.print(f"source photos: {len(photos)}, made {datetime.date.today().isoformat()}")


if __name__ == "__main__":
    main()
