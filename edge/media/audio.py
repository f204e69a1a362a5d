"""Carry a video's audio over: copied where the container can hold it, as AAC otherwise."""

from __future__ import annotations

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.media.pyav import OPEN_OPTIONS, load_av, open_to_read

_COPIED = {
    "mp4": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "flac", "opus"}),
    "mov": frozenset(
        {"aac", "mp3", "mp2", "ac3", "eac3", "alac"}
        | {"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"}
    ),
}
"""Codecs that common players take in each container."""

_AAC_FRAME = 1024
_AAC_LAYOUTS = frozenset({"mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"})
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class AudioCopy:
    """The audio of one file on its way into another.

    The file is opened a second time, so that frames and audio can be taken each at its own pace.
    """

    def __init__(self, path: Path, shift: Fraction, output: Any, container: str) -> None:
        """Add the output's audio streams; nothing is written yet.

        Args:
            path: The file with the audio.
            shift: Seconds to take off all time stamps.
            output: PyAV's container to write to; its header is not yet written.
            container: mp4 or mov.
        """
        self._av = load_av()
        self._shift = shift
        self._output = output
        self.notes: list[str] = []
        self._input: Any = open_to_read(self._av, path, OPEN_OPTIONS)
        self._lanes: dict[int, _Lane] = {}
        for stream in self._input.streams.audio:
            self._add(stream, container)
        dropped = sum(s.type not in {"audio", "video"} for s in self._input.streams)
        if dropped:
            streams = "stream was" if dropped == 1 else "streams were"
            self.notes.append(f"{dropped} subtitle or data {streams} left out")
        self._packets = self._demux()
        self._held: Any = None

    def _add(self, stream: Any, container: str) -> None:
        codec = stream.codec_context
        if codec is None or not codec.sample_rate:
            self.notes.append("an audio stream of an unknown kind was left out")
            return
        if codec.name in _COPIED[container]:
            try:
                target = self._output.add_stream_from_template(stream)
            except (ValueError, self._av.FFmpegError):
                pass  # the container refuses it after all
            else:
                self._lanes[stream.index] = _Copied(stream, target, self._shift)
                return
        self._lanes[stream.index] = _Transcoded(self._av, stream, self._output, self._shift)
        self.notes.append(f"audio was converted from {codec.name} to AAC for this container")

    def _demux(self) -> Generator[Any, None, None]:
        streams = [self._input.streams[index] for index in self._lanes]
        if not streams:
            return
        try:
            yield from (p for p in self._input.demux(streams) if p.size)
        except (EOFError, self._av.FFmpegError):
            self.notes.append("the audio ends early: the file is truncated")

    def write_until(self, seconds: float | None) -> None:
        """Write the audio up to a time.

        Args:
            seconds: On the output's clock; None for all that is left.
        """
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                break
            lane = self._lanes[packet.stream.index]
            if seconds is not None and self._time_of(packet) > seconds:
                self._held = packet
                return
            self._output.mux(lane.take(packet))
        if seconds is None:
            for lane in self._lanes.values():
                self._output.mux(lane.finish())

    def _time_of(self, packet: Any) -> float:
        stamp = packet.dts if packet.dts is not None else packet.pts
        return 0.0 if stamp is None else float(stamp * packet.time_base - self._shift)

    def close(self) -> None:
        """Close the second view of the input."""
        self._packets.close()
        self._input.close()


class NoAudio:
    """The audio of what has none: live pictures."""

    notes: tuple[str, ...] = ()

    def write_until(self, seconds: float | None) -> None:
        """Write nothing."""

    def close(self) -> None:
        """There is nothing to close."""


def _layout(layout: Any) -> str:
    """Return the channels that AAC is given: the input's where they have a name, else fewer."""
    if layout.name in _AAC_LAYOUTS:
        return str(layout.name)
    return "mono" if layout.nb_channels == 1 else "stereo"


class _Lane:
    """One audio stream: input packets in, output packets out."""

    def take(self, packet: Any) -> list[Any]:
        raise NotImplementedError

    def finish(self) -> list[Any]:
        raise NotImplementedError


class _Copied(_Lane):
    def __init__(self, source: Any, target: Any, shift: Fraction) -> None:
        self._target = target
        self._ticks = round(shift / source.time_base)

    def take(self, packet: Any) -> list[Any]:
        if packet.dts is None:  # the muxer needs it, and no player would miss this packet
            return []
        packet.dts -= self._ticks
        if packet.pts is not None:
            packet.pts -= self._ticks
        packet.stream = self._target
        return [packet]

    def finish(self) -> list[Any]:
        return []


class _Transcoded(_Lane):
    def __init__(self, av: Any, source: Any, output: Any, shift: Fraction) -> None:
        self._av = av
        self._source = source
        self._ticks = round(shift / source.time_base)
        wanted = source.codec_context.sample_rate
        rate = wanted if wanted in _AAC_RATES else 48000
        layout = _layout(source.codec_context.layout)
        self._target = output.add_stream("aac", rate=rate, layout=layout)
        self._resampler = av.AudioResampler("fltp", layout, rate, frame_size=_AAC_FRAME)

    def take(self, packet: Any) -> list[Any]:
        try:
            frames = self._source.decode(packet)
        except self._av.FFmpegError:
            return []  # a broken packet is a short silence
        packets: list[Any] = []
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= self._ticks
            packets += self._encode(frame)
        return packets

    def finish(self) -> list[Any]:
        return [*self._encode(None), *self._target.encode(None)]

    def _encode(self, frame: Any) -> list[Any]:
        resampled = self._resampler.resample(frame)
        return [p for part in resampled if part is not None for p in self._target.encode(part)]
