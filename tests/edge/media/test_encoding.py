"""Segments: joined, every frame is shown at its time; damaged, they are refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import MediaError, OutputError
from edge.media.encoding import (
    Clock,
    Coded,
    Encoder,
    append_to,
    begin_file,
    decoding_times,
    packets_of,
    ticks_of,
)
from edge.media.video_in import open_video
from edge.media.video_info import VideoInfo
from edge.media.video_out import join_segments

av: Any = pytest.importorskip("av", reason="videos need PyAV")
Make = Callable[..., Path]


@pytest.fixture
def info(make_clip: Make) -> VideoInfo:
    with open_video(make_clip(stamps=range(3))) as video:
        return video.info


def frames(info: VideoInfo, count: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    noise = np.random.default_rng(3).integers(0, 255, (info.height, info.width, 3), dtype=np.uint8)
    return [np.roll(noise, 2 * number, axis=1) for number in range(count)]


def segment(path: Path, info: VideoInfo, stamps: list[int], codec: str = "") -> Path:
    encoder = Encoder(info, codec)
    with path.open("wb") as file:
        begin_file(file)
        for frame, stamp in zip(frames(info, len(stamps)), stamps, strict=True):
            append_to(file, encoder.encode(frame, stamp))
        append_to(file, encoder.finish())
    return path


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [7, 3], [20, 1, 12]])
def test_joined_segments_show_every_frame_at_its_time(
    info: VideoInfo,
    tmp_path: Path,
    codec: str,
    lengths: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.media.video_out.best_codec", lambda av: codec)
    ticks = round(1 / (25 * ticks_of(info, codec)))
    count = sum(lengths)
    # uneven: a gap in the middle
    stamps = [number * ticks + (5000 if number > count // 2 else 0) for number in range(count)]
    files, at = [], 0
    for number, length in enumerate(lengths):
        files.append(segment(tmp_path / str(number), info, stamps[at : at + length], codec))
        at += length
    writer = join_segments(files, tmp_path / "out.mp4", info, {})
    assert writer.frames == count
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [(frame.pts, frame.key_frame) for frame in container.decode(video=0)]
    assert [pts for pts, _ in shown] == stamps
    starts = np.cumsum([0, *lengths[:-1]])
    assert all(shown[start][1] for start in starts)


def test_the_same_frames_are_the_same_bytes_whatever_lies_in_memory(
    info: VideoInfo, tmp_path: Path
) -> None:
    """The allocator fills memory with other bytes each time: nothing may depend on it."""
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from edge.media.video_in import open_video\n"
        "from tests.edge.media.test_encoding import segment\n"
        "with open_video(Path(sys.argv[1])) as video: info = video.info\n"
        "segment(Path(sys.argv[2]), info, [512 * n for n in range(12)])\n"
    )
    seen = set()
    for number, fill in enumerate(("0", "1", "85", "255")):
        path = tmp_path / f"{number}"
        words = [sys.executable, "-c", code, str(info.path), str(path)]
        subprocess.run(words, check=True, env=os.environ | {"MALLOC_PERTURB_": fill})
        seen.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(seen) == 1


def test_a_frame_of_another_size_is_refused(info: VideoInfo) -> None:
    with pytest.raises(MediaError, match="does not fit"):
        Encoder(info).encode(np.zeros((8, 8, 3), np.uint8), 0)


@pytest.mark.parametrize("cut", [0, 5, 30, -1])
def test_damaged_segments_are_refused(info: VideoInfo, tmp_path: Path, cut: int) -> None:
    path = segment(tmp_path / "a", info, [0, 512, 1024])
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(OutputError, match=r"no segment|ends early"):
        list(packets_of(path))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_packets_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], data: st.DataObject
) -> None:
    packets = [
        Coded(body, data.draw(st.integers(-(1 << 62), 1 << 62)), data.draw(st.booleans()))
        for body in bodies
    ]
    path = tmp_path_factory.mktemp("packets") / "a"
    with path.open("wb") as file:
        begin_file(file)
        append_to(file, packets)
    got = [(p.data, p.pts, p.key) for p in packets_of(path)]
    assert got == [(p.data, p.pts, p.key) for p in packets]


@st.composite
def coding_orders(draw: st.DrawFn) -> list[int]:
    """Stamps in an order that an encoder with at most three frames held back could write."""
    shown = sorted(draw(st.sets(st.integers(-1000, 1_000_000), min_size=1, max_size=40)))
    order: list[int] = []
    waiting: list[int] = []
    for stamp in shown:
        waiting.append(stamp)
        if len(waiting) > draw(st.integers(0, 3)):
            order += [waiting.pop(), *waiting]
            waiting = []
    return order + waiting


@given(coding_orders())
def test_decoding_times_grow_and_come_before_showing(stamps: list[int]) -> None:
    times = decoding_times(stamps)
    assert all(one < other for one, other in pairwise(times))
    assert all(decoded <= shown for decoded, shown in zip(times, stamps, strict=True))
    if stamps == sorted(stamps):
        assert times == stamps


_INFO = VideoInfo(
    path=None,
    width=64,
    height=64,
    orientation=1,
    rotation=0,
    rate=Fraction(25),
    duration=None,
    frames=None,
    time_base=Fraction(1, 90_000),
    shift=Fraction(0),
    pixel_aspect=Fraction(1),
    colour=None,  # type: ignore[arg-type]
    has_audio=False,
    codec="h264",
    container="mp4",
)


@given(
    st.lists(st.none() | st.integers(-(1 << 40), 1 << 40), min_size=1, max_size=30),
    st.sampled_from([Fraction(1, 90_000), Fraction(1001, 30_000), Fraction(1, 1_000_000)]),
    st.none() | st.fractions(Fraction(1, 10), 240),
    st.sampled_from(["libx264", "mpeg4"]),
)
def test_stamps_always_grow_and_go_on_alike(
    stamps: list[int | None], time_base: Fraction, rate: Fraction | None, codec: str
) -> None:
    info = replace(_INFO, time_base=time_base, rate=rate)
    ticks = ticks_of(info, codec)
    assert codec != "mpeg4" or ticks.denominator <= 65_535
    clock = Clock(info, ticks)
    got = [clock.stamp(stamp) for stamp in stamps]
    assert all(one < other for one, other in pairwise(got))
    if ticks == time_base and None not in stamps:
        plain = [stamp for stamp in stamps if stamp is not None]
        if plain == sorted(set(plain)):
            assert got == plain
    half = len(stamps) // 2
    if half:
        later = Clock(info, ticks, got[half - 1])
        assert [later.stamp(stamp) for stamp in stamps[half:]] == got[half:]
