"""Network cameras, by a stand-in for FFmpeg: what is read, and what is said when it has gone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.media.live_in import NetworkError, RtspReader, open_rtsp

av = pytest.importorskip("av", reason="network cameras need PyAV")


def frame(width: int = 64, height: int = 48) -> Any:
    picture = np.zeros((height, width, 3), np.uint8)
    return SimpleNamespace(width=width, height=height, to_ndarray=lambda format: picture)


def container(*given: Any, videos: int = 1) -> Any:
    stream = SimpleNamespace(thread_type="", average_rate=None, guessed_rate=15)

    def decode(wanted: Any) -> Iterator[Any]:
        for each in given:
            if isinstance(each, Exception):
                raise each
            yield each

    return SimpleNamespace(
        streams=SimpleNamespace(video=[stream] * videos), decode=decode, close=lambda: None
    )


def test_frames_and_the_end() -> None:
    reader = RtspReader(container(frame(), frame()))
    assert reader.rate == 15
    for _ in range(2):
        assert reader.read().shape == (48, 64, 3)
    with pytest.raises(NetworkError, match="ended the stream"):
        reader.read()
    reader.close()


def test_what_goes_wrong_is_half_a_sentence() -> None:
    broken = av.error.InvalidDataError(1, "Invalid data found when processing input")
    with pytest.raises(NetworkError, match=r"^invalid data"):
        RtspReader(container(broken)).read()
    with pytest.raises(NetworkError, match="no video"):
        RtspReader(container(videos=0))
    with pytest.raises(NetworkError, match="too large"):
        RtspReader(container(frame(20_000, 20_000))).read()


def test_only_rtsp_is_opened() -> None:
    with pytest.raises(NetworkError):
        open_rtsp("rtsp://127.0.0.1:9/x")
