from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.media.ends import falls_short, later
from edge.media.video_in import open_video

pytest.importorskip("av", reason="videos need PyAV")

Make = Callable[..., Path]
BASE = Fraction(1, 12800)


def _trimmed(path: Path, share: float) -> bytearray:
    """Return an MP4 of which the picture's edit list shows a share (ISO/IEC 14496-12, 8.6.6)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4 + 4 + 4
    shown = int.from_bytes(data[at : at + 4], "big")
    data[at : at + 4] = round(shown * share).to_bytes(4, "big")
    return data


def test_a_video_that_is_trimmed_is_whole(make_clip: Make) -> None:
    path = make_clip(stamps=range(100), options=(("crf", "8"), ("g", "4"), ("bf", "0")))
    path.write_bytes(_trimmed(path, 0.5))
    with open_video(path) as video:
        assert video.info.frames == 50
        assert len(list(video)) == 50
        assert video.notes == ()


def test_a_video_that_is_trimmed_and_cut_off_is_not(make_clip: Make) -> None:
    path = make_clip(stamps=range(100), options=(("crf", "8"), ("g", "4"), ("bf", "0")))
    data = _trimmed(path, 0.5)
    place = data.index(b"mdat")
    # What is behind the index is gone: FFmpeg says nothing of it.
    index = data[data.rindex(b"moov") - 4 :]
    free = place - 4
    half = data[: free + 8 + (len(data) - len(index) - free - 8) // 4]
    path.write_bytes(half + b"\0" * (len(data) - len(index) - len(half)) + index)
    with open_video(path) as video:
        assert len(list(video)) < 40
        assert video.notes != ()


def _stream(**other: object) -> SimpleNamespace:
    stated = {"start_time": 512, "duration": 51200, "time_base": BASE, "average_rate": 25}
    return SimpleNamespace(**(stated | other))


def test_a_few_frames_are_no_difference() -> None:
    whole = Fraction(512 + 51200, 12800)
    assert not falls_short(_stream(), whole)
    assert not falls_short(_stream(), whole - Fraction(3, 25))
    assert falls_short(_stream(), whole - Fraction(3, 25) - Fraction(1, 12800))
    assert falls_short(_stream(), None)
    assert falls_short(_stream(duration=None), whole)
    assert not falls_short(_stream(start_time=None, average_rate=None), Fraction(4))


def test_the_end_is_that_of_the_packet_that_is_shown_last() -> None:
    end = None
    for pts, dts, size in (
        (0, 0, 9),
        (1536, 512, 9),
        (512, 1024, 9),
        (None, None, 9),
        (9999, 9, 0),
    ):
        packet = SimpleNamespace(pts=pts, dts=dts, size=size, duration=512, time_base=BASE)
        end = later(end, packet)
    assert end == Fraction(2048, 12800)
    packet = SimpleNamespace(pts=None, dts=2048, size=9, duration=None, time_base=BASE)
    assert later(end, packet) == Fraction(2048, 12800)
