"""Audio of files that change in their midst: two recordings joined, another layout."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.errors import MediaError
from edge.media.audio import _Onward
from edge.media.video_in import open_video
from edge.media.video_out import VideoWriter

av: Any = pytest.importorskip("av", reason="videos need PyAV")

Make = Callable[..., Path]
RATE = 48000


def _copy(source: Path, output: Path) -> VideoWriter:
    with open_video(source) as video, VideoWriter(output, video.info, {}) as writer:
        for frame in video:
            writer.write(frame.frame, frame.pts)
    return writer


def _payloads(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def _sound(path: Path) -> Any:
    """Return what is heard in the first channel; float32 (samples,)."""
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def _broadcast(path: Path, layout: str, rate: int = RATE) -> bytes:
    """Return a transport stream of one second; its audio is of a kind that MP4 does not hold."""
    options = {"mpegts_flags": "latm"}
    with av.open(str(path), "w", format="mpegts", options=options) as container:
        pictures: Any = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        sounds: Any = container.add_stream("aac", rate=rate, layout=layout)
        for index in range(25):
            grey = np.full((64, 96, 3), 8 * index, np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, format="bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
        channels = sounds.codec_context.layout.nb_channels
        for start in range(0, rate, 1024):
            wave = np.sin(np.arange(start, start + 1024) * 400 / rate) * 0.3
            samples = np.tile(wave.astype(np.float32), (channels, 1))
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(sounds.encode(frame))
        container.mux(sounds.encode(None))
    return path.read_bytes()


def test_sound_goes_on_where_two_files_are_joined(make_clip: Make, tmp_path: Path) -> None:
    stamps = [3600 * index for index in range(25)]
    one = make_clip(name="in.ts", audio="aac", stamps=stamps, time_base=Fraction(1, 90000))
    packets = len(_payloads(one))
    source = tmp_path / "joined.ts"
    source.write_bytes(one.read_bytes() * 2)
    assert _copy(source, tmp_path / "out.mp4").frames == 50
    assert len(_payloads(tmp_path / "out.mp4")) == 2 * packets
    with av.open(str(tmp_path / "out.mp4")) as container:
        stamped = [p.dts for p in container.demux(audio=0) if p.size]
    np.testing.assert_allclose(np.diff(stamped), 1024, atol=2)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])  # copied, and converted
def test_languages_and_the_usual_track_are_kept(tmp_path: Path, codec: str) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        sounds: list[Any] = []
        for language, usual in (("eng", 0), ("deu", 1), ("", 0)):
            sounds.append(container.add_stream(codec, rate=RATE, layout="mono"))
            sounds[-1].disposition = usual
            if language:
                sounds[-1].metadata.update(language=language, comment="Sam's camera")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="bgr24")
        for index in range(3):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for stream in sounds:
            kind = stream.codec_context.format.name
            sample = np.zeros((1, 1024), np.int16 if kind == "s16" else np.float32)
            sound = av.AudioFrame.from_ndarray(sample, format=kind, layout="mono")
            sound.rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
            container.mux([*stream.encode(sound), *stream.encode(None)])
    _copy(source, output)
    with av.open(str(output)) as container:
        tracks = container.streams.audio
        assert [track.metadata["language"] for track in tracks] == ["eng", "deu", "und"]
        assert [int(track.disposition) & 1 for track in tracks] == [0, 1, 0]
        assert not any("comment" in track.metadata for track in tracks)


@pytest.mark.parametrize(
    ("first", "second"),
    [(("5.1", RATE), ("stereo", RATE)), (("mono", RATE), ("5.1", RATE)), (("stereo", 32000),) * 2],
)
def test_another_layout_in_the_midst(
    tmp_path: Path, first: tuple[str, int], second: tuple[str, int]
) -> None:
    source = tmp_path / "in.ts"
    source.write_bytes(
        _broadcast(tmp_path / "a.ts", *first) + _broadcast(tmp_path / "b.ts", *second)
    )
    writer = _copy(source, tmp_path / "out.mp4")
    assert writer.notes == ("audio was converted from aac_latm to AAC for this container",)
    heard = _sound(tmp_path / "out.mp4")
    rate = first[1]
    assert len(heard) / rate == pytest.approx(2.0, abs=0.2)
    for second_half in (heard[rate // 2 : rate // 2 + 4000], heard[rate * 3 // 2 :][:4000]):
        assert np.abs(second_half).max() > 0.1


@pytest.mark.parametrize("at_the_end", [False, True])
def test_audio_that_cannot_be_converted_is_one_clear_error(
    make_clip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_the_end: bool
) -> None:
    class Refusing:
        def __init__(self, *given: Any, **options: Any) -> None:
            self._left = av.AudioResampler(*given, **options)

        def resample(self, frame: Any) -> Any:
            if (frame is None) is at_the_end:
                raise ValueError("Frame does not match")
            return self._left.resample(frame)

    source = make_clip(name="in.mkv", audio="pcm_s16le")
    known = {name: getattr(av, name) for name in dir(av) if name != "AudioResampler"}
    patched = SimpleNamespace(**known, AudioResampler=Refusing)
    monkeypatch.setattr("edge.media.audio.load_av", lambda: patched)
    with pytest.raises(MediaError, match=r"in\.mkv: its audio cannot be converted .*not match"):
        _copy(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def _moved(*stamps: int, base: Fraction = Fraction(1, 90000)) -> list[int]:
    onward = _Onward(45000)
    packets = [SimpleNamespace(dts=s, pts=s, duration=2000, time_base=base) for s in stamps]
    for packet in packets:
        onward.move(packet)
        assert packet.pts == packet.dts
    return [packet.dts for packet in packets]


def test_stamps_that_grow_stay() -> None:
    assert _moved(-2000, 0, 2, 5000, 900_000) == [-2000, 0, 2, 5000, 900_000]


def test_a_few_stamps_in_the_wrong_order_move_nothing_else() -> None:
    # One tick of the source's clock would be none of the container's.
    assert _moved(0, 4000, 4000, 2000, 6000) == [0, 4000, 4002, 4004, 6000]


def test_a_jump_back_moves_all_that_follows() -> None:
    assert _moved(90_000, 92_000, 0, 2000, 9000) == [90_000, 92_000, 94_000, 96_000, 103_000]


def test_pts_is_never_before_dts() -> None:
    packet = SimpleNamespace(dts=5, pts=3, duration=None, time_base=Fraction(1, 90000))
    assert _Onward(45000).move(packet).pts == 5
    assert _Onward(45000).move(SimpleNamespace(dts=None)).dts is None
