"""Tiny videos made on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clip:
    """What a test video is made of."""

    name: str = "in.mp4"
    width: int = 96
    height: int = 64
    stamps: Sequence[int] = tuple(range(12))
    time_base: Fraction = Fraction(1, 25)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = (("crf", "8"), ("g", "4"))
    audio: str | None = None
    audio_start: float = 0.0
    seconds: float = 1.0
    matrix: int = 2
    transfer: int = 2
    full_range: bool = False


def colour_of(index: int) -> tuple[int, int, int]:
    """Return the BGR of the left half of frame `index`."""
    return (40 + 15 * (index % 12), 30, 220 - 15 * (index % 12))


def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return frame `index`: its own colour left, dark right, white in the corner top left."""
    frame = np.full((height, width, 3), 20, np.uint8)
    frame[:, : width // 2] = colour_of(index)
    frame[: height // 4, : width // 4] = 235
    return frame


def _add_audio(container: Any, av: Any, clip: Clip) -> tuple[Any, list[Any]]:
    rate = 44100
    stream = container.add_stream(clip.audio, rate=rate, layout="mono")
    frames = []
    kind = "s16" if str(clip.audio).startswith("pcm") else "fltp"
    for block in range(int(clip.seconds * rate / 1024)):
        wave = np.sin(np.arange(block * 1024, (block + 1) * 1024) * 0.06) * 0.3
        samples = (wave * 32767).astype(np.int16) if kind == "s16" else wave.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples[None], format=kind, layout="mono")
        frame.rate = rate
        frame.pts = block * 1024 + int(clip.audio_start * rate)
        frame.time_base = Fraction(1, rate)
        frames.append(frame)
    return stream, frames


def _make(path: Path, clip: Clip) -> Path:
    import av

    from edge.media.pyav import working_matrix

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(clip.codec, rate=25, options=dict(clip.options))
        context = stream.codec_context
        context.width, context.height = clip.width, clip.height
        context.pix_fmt = clip.pixel_format
        context.time_base = stream.time_base = clip.time_base
        context.colorspace = clip.matrix
        context.color_trc = clip.transfer
        context.color_range = 2 if clip.full_range else 1
        audio: Any = None
        sounds: list[Any] = []
        if clip.audio:
            audio, sounds = _add_audio(container, av, clip)
        for index, stamp in enumerate(clip.stamps):
            frame: Any = av.VideoFrame.from_ndarray(
                picture(index, clip.width, clip.height), format="bgr24"
            )
            frame = frame.reformat(
                format=clip.pixel_format,
                dst_colorspace=5 if clip.matrix == 2 else working_matrix(av, clip.matrix),
                dst_color_range=2 if clip.full_range else 1,
                interpolation=0x42002,  # accurate rounding
            )
            frame.pts, frame.time_base = stamp, clip.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for sound in sounds:
            container.mux(audio.encode(sound))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a video from the fields of `Clip`; skips without PyAV."""
    pytest.importorskip("av", reason="videos need PyAV")

    def make(**fields: Any) -> Path:
        clip = Clip(**fields)
        return _make(tmp_path / clip.name, clip)

    return make
