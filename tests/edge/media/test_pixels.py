"""Conversions between FFmpeg's frames and pixels, held against PyAV's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av")

from edge.errors import MediaError  # noqa: E402 - PyAV may be absent
from edge.media.pixels import Pixels  # noqa: E402
from edge.media.pyav import EXACT_COLOURS, working_matrix  # noqa: E402
from edge.media.video_info import FULL, LIMITED, VideoInfo, colour_of  # noqa: E402

FORMATS = ("yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv444p", "yuv420p10le", "gray", "rgb24")


def _noise(kind: str, width: int, height: int, seed: int) -> Any:
    """Return a frame of a format, made of noise in coarse patches."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3))
    pixels = small.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
    return frame.reformat(format=kind)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("size", [(64, 48), (70, 50)])
def test_pixels_are_those_of_pyav(kind: str, matrix: int, size: tuple[int, int]) -> None:
    frames = [_noise(kind, *size, seed) for seed in range(2)]
    pixels, known = Pixels(av), working_matrix(av, matrix)
    for frame in frames:  # by one converter
        expected = frame.to_ndarray(
            format="bgr24", src_colorspace=known, interpolation=EXACT_COLOURS
        )
        found = pixels.of(frame, size, known)
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("source", [LIMITED, FULL])
def test_a_range_that_is_told_counts(source: int) -> None:
    frame = _noise("yuv420p", 64, 48, 3)
    told = {"src_color_range": source}
    expected = frame.to_ndarray(
        format="bgr24", src_colorspace=1, interpolation=EXACT_COLOURS, **told
    )
    assert np.array_equal(Pixels(av).of(frame, (64, 48), 1, **told), expected)


def test_pixels_are_brought_to_the_size_asked_for() -> None:
    frame = _noise("yuv420p", 64, 48, 4)
    assert Pixels(av).of(frame, (32, 40), 1).shape == (40, 32, 3)


def _info(width: int, height: int) -> VideoInfo:
    from fractions import Fraction

    return VideoInfo(
        path=Path("x.mp4"),
        width=width,
        height=height,
        orientation=1,
        rotation=0,
        rate=Fraction(25),
        duration=None,
        frames=None,
        time_base=Fraction(1, 25),
        shift=Fraction(0),
        pixel_aspect=Fraction(1),
        colour=colour_of(1, 1, 1, False, height),
        has_audio=False,
        codec="h264",
        container="mp4",
    )


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_what_is_coded_is_what_pyav_makes_of_it(size: tuple[int, int]) -> None:
    width, height = size
    pixels = _noise("rgb24", width, height, 5).to_ndarray(format="bgr24")
    padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    expected = av.VideoFrame.from_ndarray(padded, format="bgr24").reformat(
        format="yuv420p",
        dst_colorspace=1,
        dst_color_range=LIMITED,
        interpolation=EXACT_COLOURS,
    )
    converter = Pixels(av)
    for _ in range(2):
        found = converter.coded(pixels, _info(width, height))
        assert found.format.name == "yuv420p"
        assert found.color_range == expected.color_range
        assert found.colorspace == expected.colorspace
        assert np.array_equal(found.to_ndarray(), expected.to_ndarray())


def test_what_is_coded_outlives_the_pixels() -> None:
    pixels = np.full((48, 64, 3), 90, np.uint8)
    coded = Pixels(av).coded(pixels, _info(64, 48))
    before = coded.to_ndarray().copy()
    pixels[:] = 200
    assert np.array_equal(coded.to_ndarray(), before)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(MediaError, match="does not fit a video of 64x48"):
        Pixels(av).coded(np.zeros((40, 64, 3), np.uint8), _info(64, 48))
