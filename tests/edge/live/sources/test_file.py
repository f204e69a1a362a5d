"""A video file plays at its own pace, and then it is over."""

from __future__ import annotations

import time

import pytest

from edge import resources
from edge.live.sources.base import Wanted
from edge.live.sources.file import FileSource

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
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    source = FileSource(str(resources.samples_dir() / "sample.mp4"))
    frames = 0
    while source.read() is not None:
        frames += 1
    assert frames == 100
    source.close()
