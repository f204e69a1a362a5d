from __future__ import annotations

import contextlib
import io
import struct
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edge.errors import EngineMissing, MediaError
from edge.media import exif
from edge.media.limits import VideoLimits
from edge.media.video_in import open_video

av: Any = pytest.importorskip("av", reason="videos need PyAV")

Make = Callable[..., Path]

MATRICES = {  # EXIF orientation: a, b, c, d of the display matrix
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def turn(path: Path, orientation: int) -> None:
    """Write a display matrix into the first track header (ISO/IEC 14496-12 section 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in MATRICES[orientation])
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _stamps(path: Path) -> list[int | None]:
    with open_video(path) as video:
        return [frame.pts for frame in video]


def test_info_and_frames(make_clip: Make) -> None:
    with open_video(make_clip(audio="aac")) as video:
        info = video.info
        frames = list(video)
    assert (info.width, info.height, info.rotation, info.orientation) == (96, 64, 0, 1)
    assert info.rate == 25
    assert info.frames == 12
    assert info.duration == pytest.approx(12 / 25)
    assert info.codec == "h264"
    assert info.has_audio
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[0].frame.shape == (64, 96, 3)
    assert frames[0].frame.flags.c_contiguous
    np.testing.assert_allclose(frames[3].frame[60, 8], (85, 30, 175), atol=6)
    assert video.notes == ()


@pytest.mark.parametrize(
    ("stamps", "time_base"),
    [
        ([0, 1, 5, 6, 20, 21, 50], Fraction(1, 30)),
        ([0, 3003, 6007, 90000, 90001, 200000], Fraction(1, 90000)),
        ([45000, 48003, 51006], Fraction(1, 90000)),
    ],
)
def test_variable_rate_stamps_are_kept(
    make_clip: Make, stamps: list[int], time_base: Fraction
) -> None:
    path = make_clip(stamps=stamps, time_base=time_base)
    with open_video(path) as video:
        seen = [frame.pts * frame.time_base for frame in video if frame.pts is not None]
    assert seen == [stamp * time_base for stamp in stamps]


def test_transport_streams_start_at_zero(make_clip: Make) -> None:
    path = make_clip(name="in.ts", stamps=[0, 3600, 7200, 10800], time_base=Fraction(1, 90000))
    assert _stamps(path) == [0, 3600, 7200, 10800]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_display_matrix_is_honoured(make_clip: Make, orientation: int) -> None:
    path = make_clip(stamps=range(2))
    with open_video(path) as video:
        stored = next(iter(video)).frame
    turn(path, orientation)
    with open_video(path) as video:
        info = video.info
        frame = next(iter(video)).frame
    np.testing.assert_array_equal(frame, exif.upright(stored, orientation))
    assert frame.shape == (info.height, info.width, 3)
    assert info.orientation == orientation
    if orientation in {1, 3, 6, 8}:
        assert info.rotation == {1: 0, 3: 180, 6: 90, 8: 270}[orientation]


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_follow_the_tags(make_clip: Make, matrix: int, full_range: bool) -> None:
    with open_video(make_clip(matrix=matrix, full_range=full_range)) as video:
        assert video.info.colour.matrix == matrix
        assert video.info.colour.full_range == full_range
        frame = next(iter(video)).frame
    np.testing.assert_allclose(frame[60, 8], (40, 30, 220), atol=6)


def test_untagged_colours_are_read_as_players_do(make_clip: Make) -> None:
    with open_video(make_clip(stamps=[0])) as small:
        assert small.info.colour.matrix == 6
    with open_video(make_clip(stamps=[0], width=320, height=720)) as large:
        assert large.info.colour.matrix == 1


@pytest.mark.parametrize("step", [1, 3, 100])
def test_sampled_frames_keep_their_numbers(make_clip: Make, step: int) -> None:
    path = make_clip()
    with open_video(path) as video:
        whole = [frame.frame for frame in video]
    with open_video(path) as video:
        for frame in video.sampled(step):
            assert frame.index % step == 0
            np.testing.assert_array_equal(frame.frame, whole[frame.index])


# ---- bad input


def _packets(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def test_broken_frame_in_the_middle_is_skipped(make_clip: Make, capfd: Any) -> None:
    path = make_clip(stamps=range(16), options=(("crf", "8"), ("g", "1")))
    data = bytearray(path.read_bytes())
    place, size = _packets(path)[7]
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    with open_video(path) as video:
        stamps = [frame.pts * frame.time_base for frame in video if frame.pts is not None]
        assert video.broken >= 1
        assert "could not be decoded" in video.notes[0]
    expected = [Fraction(index, 25) for index in range(16) if index != 7]
    assert stamps == expected
    assert capfd.readouterr() == ("", "")


def test_an_index_that_is_cut_off_is_noted(make_clip: Make) -> None:
    """FFmpeg would leave the sound out without a word."""
    path = make_clip(audio="aac")
    data = path.read_bytes()
    start = data.rfind(b"moov") - 4
    assert start + int.from_bytes(data[start : start + 4], "big") == len(data)
    with open_video(path) as video:
        assert list(video)
        assert video.notes == ()
    path.write_bytes(data[: start + 900])
    with open_video(path) as video:
        assert list(video)
        assert "truncated" in video.notes[-1]


def test_interlaced_frames_are_noted(make_clip: Make) -> None:
    flags = (("flags", "+ildct+ilme"), ("x264-params", "tff=1"))
    with open_video(make_clip(options=flags)) as video:
        list(video)
        (note,) = video.notes
    assert "interlaced" in note


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_noted(transfer: int, make_clip: Make) -> None:
    with open_video(make_clip(transfer=transfer)) as video:
        list(video)
        (note,) = video.notes
    assert "HDR" in note


def test_stray_bytes_at_the_end_are_no_truncation(make_clip: Make) -> None:
    path = make_clip(stamps=range(3))
    path.write_bytes(path.read_bytes() + b"stray bytes")
    with open_video(path) as video:
        assert len(list(video)) == 3
        assert video.notes == ()


def test_noise_in_the_middle_is_survived(make_clip: Make) -> None:
    path = make_clip(stamps=range(30))
    data = bytearray(path.read_bytes())
    for place, size in _packets(path)[10:14]:
        data[place + 5 : place + size] = np.random.default_rng(0).bytes(size - 5)
    path.write_bytes(data)
    with open_video(path) as video:
        assert len(list(video)) >= 15


def test_truncated_file_gives_what_it_has(make_clip: Make, tmp_path: Path) -> None:
    options = (("crf", "8"), ("g", "4"))
    path = make_clip(stamps=range(40), options=options)
    with av.open(str(path)) as source:
        fast = tmp_path / "fast.mp4"
        with av.open(str(fast), "w", options={"movflags": "+faststart"}) as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    fast.write_bytes(fast.read_bytes()[: fast.stat().st_size * 2 // 3])
    with open_video(fast) as video:
        count = len(list(video))
        assert 5 <= count < 40
        assert "truncated" in video.notes[-1]


def test_truncated_file_without_its_index_is_refused(make_clip: Make) -> None:
    path = make_clip()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MediaError, match=r"is no video|without a frame"):
        open_video(path)


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"this is text, not a video" * 40, "is no video"),
        (_png(), r"is a picture \(PNG\), not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n", "is no video"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "is no video"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "is no video"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=message):
        open_video(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no such file"):
        open_video(tmp_path / "none.mp4")
    with pytest.raises(MediaError, match="is not a file"):
        open_video(tmp_path)


def test_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for block in range(10):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, block * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="has no video stream"):
        open_video(path)


def test_zero_frames(make_clip: Make) -> None:
    path = make_clip(stamps=[], audio="aac")
    with pytest.raises(MediaError, match=r"without a frame|has no video stream|is no video"):
        open_video(path)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_videos_raise_nothing_but_media_errors(
    make_clip: Make, data: st.DataObject
) -> None:
    path = make_clip(stamps=range(4))
    changed = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = len(changed) - 1 - data.draw(st.integers(0, min(len(changed), 1000) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(changed))
    with contextlib.suppress(MediaError), open_video(path) as video:
        for frame in video:
            assert frame.frame.shape[2] == 3
            if frame.index > 20:
                break


def test_all_frames_broken(make_clip: Make) -> None:
    path = make_clip(stamps=range(4))
    data = bytearray(path.read_bytes())
    for place, size in _packets(path):
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(MediaError, match="without a frame that can be decoded"):
        open_video(path)


def test_size_is_limited(make_clip: Make) -> None:
    with pytest.raises(MediaError, match="96x64 is too large"):
        open_video(make_clip(), VideoLimits(max_side=80))


def test_missing_pyav_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[video\]"):
        open_video(tmp_path / "in.mp4")
