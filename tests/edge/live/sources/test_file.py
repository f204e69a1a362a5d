"""A video file plays at its own pace, and then it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from edge import resources
from edge.live.reopening import Reopening
from edge.live.sources import file
from edge.live.sources.base import Wanted
from edge.live.sources.file import FileSource
from edge.media.video_info import VideoFrame

pytest.importorskip("av", reason="videos need PyAV")


def test_frames_come_when_they_are_due() -> None:
    from edge.live.sources import open_source

    source = open_source(str(resources.samples_dir() / "sample.mp4"), Wanted())
    assert source.kind == "file"
    assert source.name == "sample.mp4"
    assert source.rate == 25
    start = time.monotonic()
    stamps = []
    for _ in range(11):
        taken = source.read()
        assert taken is not None
        stamps.append(taken.at)
    source.close()
    source.close()
    assert time.monotonic() - start >= 0.4
    assert stamps[10] - stamps[0] >= 0.39


def test_the_end_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(str(resources.samples_dir() / "sample.mp4"))
    monkeypatch.setattr(source, "_woken", SimpleNamespace(wait=lambda seconds: False))
    frames = 0
    while source.read() is not None:
        frames += 1
    assert frames == 100
    source.close()


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_jump_of_the_time_stamps_is_waited_for_once_at_most(
    monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    now = [1000.0]
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        now[0] += seconds
        return False

    def frames() -> Iterator[VideoFrame]:
        for index in range(8):
            stamp = 4000 + index + (jump if index >= 4 else 0)
            yield VideoFrame(np.zeros((2, 2, 3), np.uint8), stamp, Fraction(1), index)

    source = FileSource(str(resources.samples_dir() / "sample.mp4"))
    monkeypatch.setattr(source, "_frames", frames())
    monkeypatch.setattr(source, "_woken", SimpleNamespace(wait=wait))
    monkeypatch.setattr(file, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(8):
        taken = source.read()
        assert taken is not None
        assert taken.at == pytest.approx(now[0])
    assert waits == pytest.approx([1.0] * 6)
    source.close()


def test_a_long_wait_ends_where_no_more_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    black = np.zeros((16, 16, 3), np.uint8)
    frames = (VideoFrame(black, 8 * index, Fraction(1), index) for index in range(3))
    source = Reopening(lambda: FileSource(str(resources.samples_dir() / "sample.mp4")))
    monkeypatch.setattr(source._source, "_frames", frames)
    start = time.monotonic()
    threading.Timer(0.1, source.stop).start()
    assert len(list(source)) == 1
    assert time.monotonic() - start < 4
