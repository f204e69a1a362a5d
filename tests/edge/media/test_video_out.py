from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import MediaError, OutputError
from edge.media.video_in import open_video
from edge.media.video_out import VideoWriter
from tests.edge.media.test_video_in import turn

av: Any = pytest.importorskip("av", reason="videos need PyAV")

Make = Callable[..., Path]
LABEL = '{"AIGC":{"Label":"1","ContentProducer":"合成"}}'


def _copy(source: Path, output: Path, **options: Any) -> VideoWriter:
    with (
        open_video(source) as video,
        VideoWriter(output, video.info, {"AIGC": LABEL}, **options) as writer,
    ):
        for frame in video:
            writer.write(frame.frame, frame.pts)
    return writer


def _times(path: Path, kind: str) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        packets = [p for p in container.demux(stream) if p.size and p.pts is not None]
    return sorted(p.pts * p.time_base for p in packets)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v"])
@pytest.mark.parametrize(
    ("stamps", "time_base"),
    [
        (list(range(12)), Fraction(1, 25)),
        ([0, 3003, 6007, 90000, 90001, 200000], Fraction(1, 90000)),
        ([45000, 48003, 51006], Fraction(1, 90000)),
    ],
)
def test_time_stamps_are_kept(
    make_clip: Make, tmp_path: Path, suffix: str, stamps: list[int], time_base: Fraction
) -> None:
    source = make_clip(stamps=stamps, time_base=time_base)
    output = tmp_path / f"out{suffix}"
    assert _copy(source, output).frames == len(stamps)
    assert _times(output, "video") == _times(source, "video")
    with open_video(output) as video:
        assert len(list(video)) == len(stamps)
        assert video.info.codec == "h264"


def test_metadata_is_readable_and_the_rest_left_behind(make_clip: Make, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    _copy(make_clip(), output)
    with av.open(str(output)) as container:
        assert container.metadata["AIGC"] == LABEL
    data = output.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_turned_videos_look_the_same(make_clip: Make, tmp_path: Path, orientation: int) -> None:
    source = make_clip(stamps=range(3))
    turn(source, orientation)
    _copy(source, tmp_path / "out.mp4")
    with open_video(source) as before, open_video(tmp_path / "out.mp4") as after:
        assert (before.info.width, before.info.height) == (after.info.width, after.info.height)
        assert after.info.rotation == 0
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(
                one.frame[4::8, 4::8].astype(int), other.frame[4::8, 4::8], atol=12
            )


@pytest.mark.parametrize("matrix", [1, 2, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_stay(make_clip: Make, tmp_path: Path, matrix: int, full_range: bool) -> None:
    source = make_clip(stamps=range(2), matrix=matrix, full_range=full_range)
    _copy(source, tmp_path / "out.mp4")
    with open_video(tmp_path / "out.mp4") as video:
        assert video.info.colour.matrix == (6 if matrix == 2 else matrix)
        assert not video.info.colour.full_range
        frame = next(iter(video)).frame
    np.testing.assert_allclose(frame[60, 8], (40, 30, 220), atol=6)
    np.testing.assert_allclose(frame[60, 88], (20, 20, 20), atol=6)
    np.testing.assert_allclose(frame[4, 4], (235, 235, 235), atol=6)


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv420p10le", "yuvj420p"])
def test_other_pixel_formats_are_read(make_clip: Make, tmp_path: Path, pixel_format: str) -> None:
    full = pixel_format == "yuvj420p"
    source = make_clip(stamps=range(2), pixel_format=pixel_format, full_range=full)
    _copy(source, tmp_path / "out.mp4")
    with open_video(tmp_path / "out.mp4") as video:
        np.testing.assert_allclose(next(iter(video)).frame[60, 8], (40, 30, 220), atol=8)


# ---- audio


def _payloads(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_audio_packets_are_copied_as_they_are(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(audio="aac")
    writer = _copy(source, tmp_path / "out.mp4")
    assert writer.notes == ()
    assert _payloads(tmp_path / "out.mp4") == _payloads(source)
    assert _times(tmp_path / "out.mp4", "audio") == _times(source, "audio")


@pytest.mark.parametrize("audio_start", [0.0, 0.3])
@pytest.mark.parametrize("video_start", [0, 10])
def test_start_offsets_stay_in_step(
    make_clip: Make, tmp_path: Path, audio_start: float, video_start: int
) -> None:
    stamps = range(video_start, video_start + 12)
    source = make_clip(audio="aac", audio_start=audio_start, stamps=stamps)
    _copy(source, tmp_path / "out.mp4")
    assert _times(tmp_path / "out.mp4", "video") == _times(source, "video")
    # A track starts on a tick of the movie's clock, which is the video's.
    for before, after in zip(
        _times(source, "audio"), _times(tmp_path / "out.mp4", "audio"), strict=True
    ):
        assert float(after) == pytest.approx(float(before), abs=1e-4)


def test_audio_longer_than_the_video_is_kept_whole(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(audio="aac", seconds=3.0, stamps=range(3))
    _copy(source, tmp_path / "out.mp4")
    assert _payloads(tmp_path / "out.mp4") == _payloads(source)


def test_audio_the_container_cannot_hold_becomes_aac(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(name="in.mkv", audio="pcm_s16le", audio_start=0.2, seconds=2.0)
    writer = _copy(source, tmp_path / "out.mp4")
    assert "from pcm_s16le to AAC" in writer.notes[0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        frames = list(container.decode(stream))
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert len(heard) / 44100 == pytest.approx(2.0, abs=0.1)
    assert frames[0].time == pytest.approx(0.2, abs=0.03)
    assert np.abs(heard[20_000:40_000]).max() == pytest.approx(0.3, abs=0.05)


def test_quicktime_holds_plain_pcm(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(name="in.mov", audio="pcm_s16le")
    assert _copy(source, tmp_path / "out.mov").notes == ()
    assert b"".join(_payloads(tmp_path / "out.mov")) == b"".join(_payloads(source))


def test_transport_stream_stays_in_step(make_clip: Make, tmp_path: Path) -> None:
    stamps = [3600 * index for index in range(12)]
    source = make_clip(name="in.ts", audio="aac", stamps=stamps, time_base=Fraction(1, 90000))
    _copy(source, tmp_path / "out.mp4")
    start = min(_times(source, "video")[0], _times(source, "audio")[0])
    for kind in ("video", "audio"):
        moved = [float(time - start) for time in _times(source, kind)]
        assert [float(t) for t in _times(tmp_path / "out.mp4", kind)] == pytest.approx(
            moved, abs=1e-4
        )


# ---- odd ends


@pytest.mark.parametrize(("width", "height"), [(97, 65), (96, 65), (97, 64)])
def test_odd_sides_are_padded_and_said_so(
    make_clip: Make, tmp_path: Path, width: int, height: int
) -> None:
    source = make_clip(width=width, height=height, pixel_format="yuv444p", stamps=range(2))
    writer = _copy(source, tmp_path / "out.mp4")
    assert "padded to even sides" in writer.notes[0]
    with open_video(tmp_path / "out.mp4") as video:
        assert (video.info.width, video.info.height) == (width + width % 2, height + height % 2)


def test_missing_and_equal_stamps_still_grow(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(stamps=range(4))
    output = tmp_path / "out.mp4"
    with open_video(source) as video:
        tick = video.info.time_base
        with VideoWriter(output, video.info, {}) as writer:
            for frame, pts in zip(video, [None, None, 600, 600], strict=True):
                writer.write(frame.frame, pts)
    assert _times(output, "video") == [0, Fraction(1, 25), 600 * tick, 601 * tick]


def test_mpeg4_where_there_is_no_h264(
    make_clip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_clip(stamps=[0, 3000, 9000], time_base=Fraction(1, 90000))
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "aac"})
    writer = _copy(source, tmp_path / "out.mp4")
    assert "no H.264 encoder" in writer.notes[0]
    with open_video(tmp_path / "out.mp4") as video:
        assert video.info.codec == "mpeg4"
        frames = list(video)
    np.testing.assert_allclose(frames[0].frame[60, 8], (40, 30, 220), atol=8)
    assert _times(tmp_path / "out.mp4", "video") == _times(source, "video")


def test_subtitles_are_left_out_with_a_note(make_clip: Make, tmp_path: Path) -> None:
    plain = make_clip(stamps=range(3))
    source = tmp_path / "subtitled.mkv"
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,100\nhello\n")
    with av.open(str(plain)) as one, av.open(str(words)) as two, av.open(str(source), "w") as out:
        lanes = [
            (one, out.add_stream_from_template(one.streams.video[0])),
            (two, out.add_stream_from_template(two.streams.subtitles[0])),
        ]
        for container, stream in lanes:
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    assert "1 subtitle or data stream was left out" in _copy(source, tmp_path / "o.mp4").notes


def test_wrong_frames_and_names_are_refused(make_clip: Make, tmp_path: Path) -> None:
    with open_video(make_clip()) as video:
        with pytest.raises(MediaError, match=r"\.mp4 or \.mov"):
            VideoWriter(tmp_path / "out.avi", video.info, {})
        writer = VideoWriter(tmp_path / "out.mp4", video.info, {})
        with pytest.raises(MediaError, match="does not fit"):
            writer.write(np.zeros((10, 10, 3), np.uint8), 0)
        writer.abort()


def test_no_frames_is_an_error(make_clip: Make, tmp_path: Path) -> None:
    with open_video(make_clip()) as video:
        writer = VideoWriter(tmp_path / "out.mp4", video.info, {})
        with pytest.raises(OutputError):
            writer.close()


def test_info_may_be_changed(make_clip: Make, tmp_path: Path) -> None:
    with open_video(make_clip()) as video:
        info = replace(video.info, rate=None)
        with VideoWriter(tmp_path / "out.mp4", info, {}) as writer:
            for frame in video:
                writer.write(frame.frame, frame.pts)
    assert len(_times(tmp_path / "out.mp4", "video")) == 12


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow over 20,000 bytes, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_full_disk_is_one_clear_error(
    make_clip: Make, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    noise = np.random.default_rng(0)
    source = make_clip(stamps=range(60))

    def fill() -> None:
        with (
            open_video(source) as video,
            VideoWriter(tmp_path / "out.mp4", video.info, {}) as writer,
        ):
            for frame in video:
                writer.write(noise.integers(0, 255, frame.frame.shape, np.uint8), frame.pts)

    request.getfixturevalue("small_files")
    with pytest.raises(OutputError, match=r"out\.mp4: cannot be written: it is larger"):
        fill()


def test_interrupt_removes_the_file(make_clip: Make, tmp_path: Path) -> None:
    def interrupt() -> None:
        with (
            open_video(source) as video,
            VideoWriter(tmp_path / "out.mp4", video.info, {}) as writer,
        ):
            frame = next(iter(video))
            writer.write(frame.frame, frame.pts)
            raise KeyboardInterrupt

    source = make_clip()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert not (tmp_path / "out.mp4").exists()
