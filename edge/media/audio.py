"""Carry a video's audio over: copied where the container can hold it, as AAC otherwise."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.errors import MediaError
from edge.media.joints import JUMP, Joints
from edge.media.pyav import OPEN_OPTIONS, load_av, open_to_read, reason

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
        self._path, self._shift = path, shift
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
                _mark(target, stream)
                self._lanes[stream.index] = _Copied(stream, target, self._shift)
                return
        self._lanes[stream.index] = _Transcoded(
            self._av, self._path, stream, self._output, self._shift
        )
        self.notes.append(f"audio was converted from {codec.name} to AAC for this container")

    def _demux(self) -> Generator[Any, None, None]:
        if not self._lanes:
            return
        joints = Joints(self._input)
        packets = joints.onward(self._demuxed(joints.streams))
        yield from (p for p in packets if p.size and p.stream.index in self._lanes)

    def _demuxed(self, streams: Sequence[Any]) -> Iterator[Any]:
        try:
            yield from self._input.demux(*streams)
        except (EOFError, self._av.FFmpegError):
            self.notes.append("the audio ends early: the file is truncated")

    def write_until(self, seconds: float | None) -> None:
        """Write the audio up to a time.

        Args:
            seconds: On the output's clock; None for all that is left.

        Raises:
            MediaError: It cannot be converted.
            FFmpegError: It cannot be written.
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


def _mark(target: Any, source: Any) -> None:
    """Say of a stream what players choose by: its language, and whether it is the usual one."""
    if "language" in source.metadata:
        target.metadata["language"] = source.metadata["language"]
    target.disposition = int(source.disposition)


class _Lane:
    """One audio stream: input packets in, output packets out."""

    def take(self, packet: Any) -> list[Any]:
        raise NotImplementedError

    def finish(self) -> list[Any]:
        raise NotImplementedError


class _Onward:
    """Makes the time stamps of a lane's packets grow, as a container wants them.

    Where they jump back and the picture's do not (see `edge.media.joints`), the sound goes on
    behind what was before.
    """

    def __init__(self, rate: int) -> None:
        """Begin.

        Args:
            rate: Samples a second, which is the container's clock for sound.
        """
        self._rate = rate
        self._offset = 0
        self._last: int | None = None
        self._length = 0

    def move(self, packet: Any) -> Any:
        """Move a packet behind the last one where it is not; one without stamps stays as it is."""
        if packet.dts is None:
            return packet
        least = max(1, math.ceil(1 / (self._rate * packet.time_base)))  # a tick of the container's
        dts = packet.dts + self._offset
        if self._last is not None and dts < self._last + least:
            free = self._last + least
            if (self._last - dts) * packet.time_base > JUMP:
                free = max(free, self._last + self._length)
                self._offset += free - dts
            dts = free
        if packet.pts is not None:
            packet.pts = max(packet.pts + dts - packet.dts, dts)
        packet.dts = self._last = dts
        self._length = packet.duration or 0
        return packet


class _Copied(_Lane):
    def __init__(self, source: Any, target: Any, shift: Fraction) -> None:
        self._target = target
        self._onward = _Onward(source.codec_context.sample_rate)
        self._ticks = round(shift / source.time_base)

    def take(self, packet: Any) -> list[Any]:
        if packet.dts is None:  # the muxer needs it, and no player would miss this packet
            return []
        packet.dts -= self._ticks
        if packet.pts is not None:
            packet.pts -= self._ticks
        packet = self._onward.move(packet)
        packet.stream = self._target
        return [packet]

    def finish(self) -> list[Any]:
        return []


class _Transcoded(_Lane):
    def __init__(self, av: Any, path: Path, source: Any, output: Any, shift: Fraction) -> None:
        self._av = av
        self._path = path
        self._source = source
        self._ticks = round(shift / source.time_base)
        wanted = source.codec_context.sample_rate
        rate = wanted if wanted in _AAC_RATES else 48000
        layout = _layout(source.codec_context.layout)
        self._target = output.add_stream("aac", rate=rate, layout=layout)
        _mark(self._target, source)
        self._to = ("fltp", layout, rate)
        self._from: tuple[str, str, int] | None = None
        self._resampler = self._new_resampler()
        self._onward = _Onward(rate)

    def _new_resampler(self) -> Any:
        return self._av.AudioResampler(*self._to, frame_size=_AAC_FRAME)

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
        return [*self._encode(None), *map(self._onward.move, self._target.encode(None))]

    def _encode(self, frame: Any) -> list[Any]:
        try:
            parts = [part for part in self._resampled(frame) if part is not None]
            packets = [packet for part in parts for packet in self._target.encode(part)]
        except ValueError as error:
            raise MediaError(
                f"{self._path}: its audio cannot be converted to AAC: {reason(error)}; convert it "
                "before"
            ) from error
        return [self._onward.move(packet) for packet in packets]

    def _resampled(self, frame: Any) -> list[Any]:
        """Return a frame, or what is left where it is None, in the encoder's layout and rate."""
        if frame is None:
            return list(self._resampler.resample(None))
        parts: list[Any] = []
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._from:  # broadcasts change from stereo to 5.1 where a film begins
            parts += self._resampler.resample(None)
            self._from, self._resampler = kind, self._new_resampler()
        return [*parts, *self._resampler.resample(frame)]
