"""What is done to marked pictures in the watermark's bench, and how many must still be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Attack = Callable[[Frame, np.random.Generator], Frame]

FRAMES, RATE = 25, 25
"""One second of video."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: What is done.
        apply: Does it, with a random generator that is the same for the same picture.
        bar: Least share of pictures that must be read.
    """

    name: str
    apply: Attack
    bar: float


def jpeg(frame: Frame, quality: int) -> Frame:
    """Return a picture (uint8 (H, W, 3) BGR) after JPEG, with chroma at half resolution."""
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scaled(frame: Frame, scale: float) -> Frame:
    """Return a picture of another size."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=method), np.uint8)


def cut(frame: Frame, share: float, rng: np.random.Generator) -> Frame:
    """Return a part of a picture, from anywhere, without `share` of its width and height."""
    height, width = (round(side * (1 - share)) for side in frame.shape[:2])
    top = int(rng.integers(frame.shape[0] - height + 1))
    left = int(rng.integers(frame.shape[1] - width + 1))
    return frame[top : top + height, left : left + width]


def screenshot(frame: Frame, rng: np.random.Generator) -> Frame:
    """Return a picture as shown at some size on a screen of another gamma, and saved at q60."""
    shown = scaled(frame, float(rng.uniform(0.5, 1.3)))
    levels = 255 * (np.arange(256) / 255) ** float(rng.uniform(0.8, 1.25))
    return jpeg(np.asarray(cv2.LUT(shown, levels.astype(np.uint8)), np.uint8), 60)


def turned(frame: Frame, degrees: float) -> Frame:
    """Return a picture turned about its middle, cut to what has no empty corners."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    whole = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_CUBIC)
    margin = int(np.ceil(np.tan(np.radians(abs(degrees))) * width / 2)) + 2
    return np.asarray(whole[margin : height - margin, margin : width - margin], np.uint8)


def messenger(frame: Frame) -> Frame:
    """Return a picture as a messenger sends it on twice: 1600 pixels, q60, q60."""
    return jpeg(jpeg(scaled(frame, 1600 / max(frame.shape[:2])), 60), 60)


ROWS = (
    Row("none", lambda frame, _: frame, 0.99),
    Row("JPEG q75", lambda frame, _: jpeg(frame, 75), 0.99),
    Row("JPEG q50", lambda frame, _: jpeg(frame, 50), 0.99),
    Row("JPEG q30", lambda frame, _: jpeg(frame, 30), 0.95),
    Row("resize to 50 %", lambda frame, _: scaled(frame, 0.5), 0.95),
    Row("crop 20 % anywhere, q50", lambda frame, rng: jpeg(cut(frame, 0.2, rng), 50), 0.95),
    Row(
        "crop 30 % anywhere, resize 63 %, q50",
        lambda frame, rng: jpeg(scaled(cut(frame, 0.3, rng), 0.63), 50),
        0.80,
    ),
    Row("screenshot (50 to 130 %, gamma 0.8 to 1.25, q60)", screenshot, 0.90),
    Row("horizontal flip", lambda frame, _: np.ascontiguousarray(frame[:, ::-1]), 0.90),
    Row(
        "rotation 1 degree, crop",
        lambda frame, rng: turned(frame, float(rng.choice([-1.0, 1.0]))),
        0.85,
    ),
    Row("messenger (1600 px, q60, twice)", lambda frame, _: messenger(frame), 0.85),
)

VIDEO = ("H.264 CRF 28 at 720p, one second", 0.95)
"""Name and bar of the row that has its own way."""


def one_second(frame: Frame, mark: Callable[[Frame], None]) -> list[Frame]:
    """Return six decoded frames of a slow pan over a picture, marked at 1080p, sent at 720p.

    Args:
        frame: uint8 (1080, 1920, 3) BGR.
        mark: Marks a frame in place, as a swap does.
    """
    import av

    large = scaled(frame, 1.1)
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"crf": "28", "preset": "medium", "threads": "1"}
        for number in range(FRAMES):
            seen = large[number * 2 : number * 2 + 1080, number * 3 : number * 3 + 1920].copy()
            mark(seen)
            small = np.asarray(
                cv2.resize(seen, (1280, 720), interpolation=cv2.INTER_AREA), np.uint8
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as sent:
        decoded = (each.to_ndarray(format="bgr24") for each in sent.decode(video=0))
        frames = [np.asarray(each, np.uint8) for each in decoded]
    return frames[:: -(-len(frames) // 6)]
