"""Files that are several, joined: time goes on, and sound and picture stay together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.media.joints import Joints, picture_stream
from edge.media.video_in import open_video
from edge.media.video_out import VideoWriter

av: Any = pytest.importorskip("av", reason="videos need PyAV")

Make = Callable[..., Path]
BASE = Fraction(1, 90_000)
FRAME, SOUND = 3600, 1800  # ticks of one
EMPTY: Any = SimpleNamespace(size=0, stream=SimpleNamespace(index=0))


def _part(make: Make, name: str, frames: int = 25, **fields: Any) -> Path:
    stamps = [FRAME * index for index in range(frames)]
    return make(name=name, stamps=stamps, time_base=BASE, **({"audio": "aac"} | fields))


def _joined(folder: Path, *parts: Path) -> Path:
    source = folder / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    return source


def _stamps(path: Path) -> list[Fraction]:
    with open_video(path) as video:
        return [frame.pts * frame.time_base for frame in video if frame.pts is not None]


def _begins(path: Path, output: Path, second: Path, frames: int) -> tuple[float, float]:
    """Write a file; return when the picture and the sound of its second part begin."""
    with open_video(path) as video, VideoWriter(output, video.info, {}) as writer:
        for frame in video:
            writer.write(frame.frame, frame.pts)
    with av.open(str(second)) as container:
        first = bytes(next(p for p in container.demux(audio=0) if p.size))
    with av.open(str(output)) as container:
        shown = [float(frame.time) for frame in container.decode(video=0)]
    with av.open(str(output)) as container:
        heard = [
            float(p.dts * p.time_base)
            for p in container.demux(audio=0)
            if p.size and bytes(p) == first[7:]  # a transport stream has a header in front
        ]
    return shown[frames], heard[-1]


def test_a_hundred_frames_are_four_seconds(make_clip: Make, tmp_path: Path) -> None:
    part = _part(make_clip, "in.ts", 50, seconds=2.0)
    stamps = _stamps(_joined(tmp_path, part, part))
    assert len(stamps) == 100
    assert {after - before for before, after in pairwise(stamps)} == {Fraction(1, 25)}


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0])
def test_sound_and_picture_stay_together(make_clip: Make, tmp_path: Path, seconds: float) -> None:
    """However long the sound of the part before was."""
    one = _part(make_clip, "a.ts", seconds=seconds)
    two = _part(make_clip, "b.ts", 30, seconds=1.2)
    shown, heard = _begins(_joined(tmp_path, one, two), tmp_path / "out.mp4", two, 25)
    assert shown == pytest.approx(max(1.0, seconds), abs=0.05)  # it begins at 0.02
    assert heard == pytest.approx(shown, abs=0.04)


@pytest.mark.parametrize("silent", [0, 1])
def test_one_part_without_sound(make_clip: Make, tmp_path: Path, silent: int) -> None:
    parts = [
        _part(make_clip, f"{number}.ts", audio=None if number == silent else "aac")
        for number in range(2)
    ]
    stamps = _stamps(_joined(tmp_path, *parts))
    assert {after - before for before, after in pairwise(stamps)} == {Fraction(1, 25)}
    assert len(stamps) == 50


# ---- packet by packet


def _packet(index: int, pts: int | None, dts: int | None) -> Any:
    stream = SimpleNamespace(index=index)
    length = SOUND if index else FRAME
    return SimpleNamespace(stream=stream, pts=pts, dts=dts, duration=length, time_base=BASE, size=1)


def _picture(start: int, count: int) -> list[Any]:
    return [_packet(0, start + FRAME * n, start + FRAME * n) for n in range(count)]


def _sound(start: int, count: int) -> list[Any]:
    return [_packet(1, start + SOUND * n, start + SOUND * n) for n in range(count)]


def _container(pictures: bool = True) -> Any:
    video = SimpleNamespace(index=0, disposition=None, codec_context=1 if pictures else None)
    sound = SimpleNamespace(index=1)
    return SimpleNamespace(streams=SimpleNamespace(video=[video], audio=[sound]))


def _moved(packets: Sequence[Any], pictures: bool = True) -> tuple[list[int], list[int]]:
    """Return the stamps of pictures and of sound; nothing may be lost or change its place."""
    before = list(packets)
    after = list(Joints(_container(pictures)).onward([*before, EMPTY]))
    assert [id(packet) for packet in after] == [id(packet) for packet in [*before, EMPTY]]
    found = [[p.pts for p in before if p.stream.index == index] for index in (0, 1)]
    return found[0], found[1]


def test_what_grows_stays() -> None:
    packets = [*_picture(900, 10), *_sound(0, 30), *_picture(900_000, 10), *_sound(800_000, 3)]
    stamps = [[p.pts for p in packets if p.stream.index == index] for index in (0, 1)]
    assert list(_moved(packets)) == stamps


@pytest.mark.parametrize("first", ["picture", "sound"])
def test_the_first_to_jump_waits_for_the_other(first: str) -> None:
    new = [_picture(0, 20), _sound(900, 40)]
    if first == "sound":
        new = [_sound(900, 6), _picture(0, 20), _sound(900 + 6 * SOUND, 34)]
    old = [*_picture(90_000, 20), *_sound(90_000, 40)]
    shown, heard = _moved([*old, *(packet for part in new for packet in part)])
    assert shown == [90_000 + FRAME * n for n in range(40)]
    end = 90_000 + 20 * FRAME
    assert heard[40:] == [end + 900 + SOUND * n for n in range(40)]


def test_sound_of_the_old_part_that_comes_late_stays() -> None:
    late = [*_picture(0, 3), *_sound(90_000 + 36 * SOUND, 4)]
    packets = [*_picture(90_000, 20), *_sound(90_000, 36), *late, *_picture(3 * FRAME, 20)]
    shown, heard = _moved([*packets, *_sound(0, 40)])
    assert shown == [90_000 + FRAME * n for n in range(43)]
    assert heard == [90_000 + SOUND * n for n in range(80)]


def test_sound_that_does_not_jump_goes_with_the_picture() -> None:
    """It ended early, or was not there before."""
    packets = [*_picture(0, 100), *_sound(0, 2), *_picture(0, 40)]
    shown, heard = _moved([*packets, *_sound(20 * FRAME, 20), *_picture(40 * FRAME, 40)])
    assert shown == [FRAME * n for n in range(180)]
    assert heard[2:] == [120 * FRAME + SOUND * n for n in range(20)]
    shown, heard = _moved([*_picture(0, 100), *_picture(0, 40), *_sound(0, 20)])
    assert heard == [100 * FRAME + SOUND * n for n in range(20)]


def test_frames_that_are_shown_before_the_first_are_counted_in() -> None:
    order = [2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10]
    new = [_packet(0, FRAME * (shown + 1), FRAME * n) for n, shown in enumerate(order)]
    shown, _ = _moved([*_picture(90_000, 20), *new])
    assert sorted(shown) == [90_000 + FRAME * n for n in range(32)]


def test_a_single_bad_stamp_is_no_joint() -> None:
    packets = [*_picture(90_000, 20), *_sound(90_000, 40), *_picture(5, 1)]
    packets += [*_picture(90_000 + 21 * FRAME, 20), *_sound(90_000 + 40 * SOUND, 40)]
    stamps = [p.pts for p in packets if p.stream.index == 0]
    assert _moved(packets)[0] == stamps


def test_a_few_in_the_wrong_order_are_no_joint() -> None:
    packets = [*_picture(90_000, 20), *_picture(90_000 + 18 * FRAME, 20)]
    assert _moved(packets)[0] == [
        *(90_000 + FRAME * n for n in range(20)),
        *(90_000 + FRAME * (18 + n) for n in range(20)),
    ]


@pytest.mark.parametrize("pictures", [True, False])
def test_sound_that_jumps_alone_stays(pictures: bool) -> None:
    packets = [*_picture(0, 10), *_sound(90_000, 40), *_sound(0, 400)]
    assert _moved(packets, pictures)[1] == [p.pts for p in packets[10:]]


def test_part_behind_part() -> None:
    packets = [packet for _ in range(7) for packet in (*_sound(9000, 20), *_picture(9000, 10))]
    shown, heard = _moved(packets)
    assert shown == [9000 + FRAME * n for n in range(70)]
    assert heard == [9000 + SOUND * n for n in range(140)]


def test_parts_too_short_to_be_sure_of_lose_nothing() -> None:
    packets = [packet for _ in range(9) for packet in (*_picture(9000, 4), *_sound(0, 1))]
    shown, _ = _moved(packets)
    assert len(shown) == 36


def test_packets_without_stamps_pass() -> None:
    packets = [*_picture(0, 3), _packet(0, None, None), _packet(1, None, None), *_picture(0, 1)]
    assert None in _moved(packets)[0]


def test_a_cover_is_no_moving_picture() -> None:
    cover = SimpleNamespace(disposition=SimpleNamespace(attached_pic=0), codec_context=None)
    container = SimpleNamespace(streams=SimpleNamespace(video=[cover], audio=[]))
    assert picture_stream(container) is None
