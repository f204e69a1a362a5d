"""Network cameras, by a stand-in for FFmpeg: what is read, and what is said when it has gone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.limits import limits_path
from edge.media.live_in import NetworkError, RtspReader, open_rtsp

av = pytest.importorskip("av", reason="network cameras need PyAV")


def frame(width: int = 64, height: int = 48) -> Any:
    picture = np.zeros((height, width, 3), np.uint8)
    return SimpleNamespace(width=width, height=height, to_ndarray=lambda format: picture)


def container(*given: Any, videos: int = 1, size: int = 0, rate: int = 15, more: int = 0) -> Any:
    context = SimpleNamespace(width=size, height=size)
    stream = SimpleNamespace(
        thread_type="", average_rate=None, guessed_rate=rate, codec_context=context
    )

    def decode(wanted: Any) -> Iterator[Any]:
        for each in given:
            if isinstance(each, Exception):
                raise each
            yield each

    class Streams(list[Any]):
        video = [stream] * videos

    streams = Streams([stream] * (videos + more))
    return SimpleNamespace(streams=streams, decode=decode, close=lambda: None)


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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 640}, "640x640 is too large: at most 320 pixels"),
        ({"more": 3}, "4 streams: at most 3"),
        ({"size": 8}, "8x8 is too small"),
    ],
)
def test_what_a_camera_states_is_held_against_the_limits(
    given: dict[str, int], message: str
) -> None:
    RtspReader(container(frame(), size=640, more=3)).read()  # within the defaults
    limits_path().parent.mkdir(parents=True, exist_ok=True)
    limits_path().write_text("[video]\nmax_side = 320\nmax_streams = 3\n")
    with pytest.raises(NetworkError, match=message):
        RtspReader(container(frame(), **given))


def test_a_picture_that_grows_is_refused_as_it_comes() -> None:
    limits_path().parent.mkdir(parents=True, exist_ok=True)
    limits_path().write_text("[video]\nmax_pixels = 4000\n")
    reader = RtspReader(container(frame(), frame(640, 480), size=0))
    assert reader.read().size
    with pytest.raises(NetworkError, match="640x480 is too large"):
        reader.read()


def test_a_rate_that_no_camera_has_is_not_believed() -> None:
    assert RtspReader(container(frame(), rate=90_000)).rate == 25


def test_only_rtsp_is_opened() -> None:
    with pytest.raises(NetworkError):
        open_rtsp("rtsp://127.0.0.1:9/x")
