"""Write a video frame by frame, with the audio and the time stamps of the one it came from."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError, OutputError
from edge.media.audio import AudioCopy, NoAudio
from edge.media.encoding import (
    Clock,
    Coded,
    best_codec,
    configure,
    decoding_times,
    options_of,
    packets_of,
    ticks_of,
)
from edge.media.pixels import Pixels
from edge.media.pyav import load_av, reason
from edge.media.video_info import VideoInfo
from edge.publish import writing_failed

_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}


class VideoWriter:
    """A video being written; use it as a context manager, or call `close` or `abort`.

    H.264 where this PyAV has it, MPEG-4 part 2 otherwise (`notes` says so); 8-bit 4:2:0, limited
    range. Frames are stored upright. A side with an odd number of pixels grows by one, its last
    row or column repeated: 4:2:0 has no odd sides, and scaling would blur. All metadata of the
    input is left behind (place and device are nobody's business), but for the audio's languages
    and which track is the usual one.

    Attributes:
        frames: Frames written so far.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        metadata: Mapping[str, str],
        *,
        codec: str | None = None,
        threads: int = 0,
    ) -> None:
        """Open the output; its header is written with the first frame.

        Args:
            path: Where to write; .mp4, .m4v or .mov.
            info: The input: size, clock, colours, and the file whose audio is copied.
            metadata: Keys and values for the container, the implicit label among them.
            codec: FFmpeg's encoder: libx264 or mpeg4; the best there is by default.
            threads: For the encoder; 0 lets it choose.

        Raises:
            EngineMissing: PyAV is not installed.
            MediaError: The suffix is none of a video that is written.
            OutputError: The output cannot be opened.
        """
        self._av = load_av()
        container = _CONTAINERS.get(path.suffix.lower())
        if container is None:
            raise MediaError(f"{path}: videos are written as .mp4 or .mov")
        self._path = path
        self._info = info
        self.frames = 0
        self._encoded_before = False
        self._pixels = Pixels(self._av)
        self._notes: list[str] = []
        try:
            self._output: Any = self._av.open(
                os.path.abspath(path),
                "w",
                format=container,
                options={"movflags": "+faststart+use_metadata_tags"},
                container_options=_clock(info.time_base),
            )
        except (self._av.FFmpegError, OSError) as error:
            raise writing_failed(path, error) from error
        try:
            self._output.metadata.update(metadata)
            codec = codec or best_codec(self._av)
            if codec == "mpeg4":
                self._notes.append("this PyAV has no H.264 encoder: written as MPEG-4 part 2")
            self._time_base = ticks_of(info, codec)
            self._clock = Clock(info, self._time_base)
            self._stream = self._add_video(codec, threads)
            self._audio: AudioCopy | NoAudio = (
                NoAudio()
                if info.path is None
                else AudioCopy(info.path, info.shift, self._output, container)
            )
        except BaseException:
            self._output.close()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as in the input, one sentence each, for the summary."""
        return (*self._notes, *self._audio.notes)

    def _add_video(self, codec: str, threads: int) -> Any:
        info = self._info
        rate = info.rate or Fraction(25)
        stream = self._output.add_stream(codec, rate=rate, options=options_of(codec))
        configure(stream.codec_context, info, self._time_base, threads)
        stream.time_base = self._time_base
        if (info.width | info.height) % 2:
            self._notes.append(
                f"{info.width}x{info.height} was padded to even sides: "
                f"{stream.codec_context.width}x{stream.codec_context.height}"
            )
        return stream

    def write(self, frame: NDArray[np.uint8], pts: int | None) -> None:
        """Write one frame, and the audio up to it.

        Args:
            frame: uint8 (H, W, 3) BGR, upright, of the size in `info`.
            pts: Time stamp in ticks of `info.time_base`; None puts it one frame after the last.
                A stamp that does not grow is moved one tick behind the last.

        Raises:
            MediaError: The audio cannot be converted.
            OutputError: It cannot be written: the disk is full.
        """
        picture = self._pixels.coded(frame, self._info)
        picture.pts = self._clock.stamp(pts)
        picture.time_base = self._time_base
        try:
            self._output.mux(self._stream.encode(picture))
            self._audio.write_until(float(picture.pts * self._time_base))
        except (self._av.FFmpegError, OSError) as error:
            raise writing_failed(self._path, error) from error
        self.frames += 1

    def write_coded(self, packets: Iterable[Coded], times: Iterable[int]) -> None:
        """Write frames that were encoded before, in segments, and the audio up to each.

        Args:
            packets: All of the video's, in the order of coding, from encoders with this `info`.
            times: When each is decoded, in ticks; see `edge.media.encoding.decoding_times`.

        Raises:
            MediaError: The audio cannot be converted.
            OutputError: They cannot be written: the disk is full.
        """
        for coded, decoded in zip(packets, times, strict=True):
            packet = self._av.Packet(coded.data)
            packet.pts, packet.dts, packet.time_base = coded.pts, decoded, self._time_base
            packet.is_keyframe = coded.key
            packet.stream = self._stream
            try:
                self._output.mux(packet)
                self._audio.write_until(float(max(decoded, 0) * self._time_base))
            except (self._av.FFmpegError, OSError) as error:
                raise writing_failed(self._path, error) from error
            self.frames += 1
        self._encoded_before = True

    def close(self) -> None:
        """Write what is left and finish the file; it is opened again to see that it is whole.

        Raises:
            MediaError: The rest of the audio cannot be converted.
            OutputError: It cannot be finished, or it does not hold what was written.
        """
        try:
            if not self._encoded_before:
                self._output.mux(self._stream.encode(None))
            self._audio.write_until(None)
            self._output.close()
        except (self._av.FFmpegError, OSError) as error:
            self.abort()
            raise writing_failed(self._path, error) from error
        except MediaError:
            self.abort()
            raise
        self._audio.close()
        self._check()

    def _check(self) -> None:
        """See that the file holds every frame: FFmpeg may lose a write error while it closes."""
        try:
            with self._av.open(os.path.abspath(self._path)) as written:
                held = written.streams.video[0].frames
        except (self._av.FFmpegError, OSError, IndexError) as error:
            raise OutputError(
                f"{self._path}: the written video cannot be read back: {reason(error)}"
            ) from error
        if held != self.frames:
            raise OutputError(
                f"{self._path}: the written video holds {held} of {self.frames} frames"
            )

    def abort(self) -> None:
        """Give up: remove the file and close it."""
        # Removed first: FFmpeg would write the whole file a second time to move its index ahead.
        with contextlib.suppress(OSError):
            self._path.unlink()
        for thing in (self._audio, self._output):
            with contextlib.suppress(self._av.FFmpegError, OSError, ValueError):
                thing.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()


def join_segments(
    segments: Sequence[Path], path: Path, info: VideoInfo, metadata: Mapping[str, str]
) -> VideoWriter:
    """Write a video from its segments, with the audio of the one that it came from.

    Args:
        segments: Files of `edge.media.encoding`, in their order.
        path: Where to write; see `VideoWriter`.
        info: The input.
        metadata: Keys and values for the container.

    Returns:
        The closed writer, for its notes and its number of frames.

    Raises:
        OutputError: A segment is damaged, or the video cannot be written.
    """
    stamps = [packet.pts for segment in segments for packet in packets_of(segment)]
    packets = (packet for segment in segments for packet in packets_of(segment))
    with VideoWriter(path, info, metadata) as writer:
        writer.write_coded(packets, decoding_times(stamps))
    return writer


def _clock(time_base: Fraction) -> dict[str, str]:
    """Return the options that keep the input's clock; MP4 would otherwise choose its own.

    A track's start is stored in ticks of the whole movie, 1/1000 s by default: too coarse for
    stamps to stay what they were.
    """
    ticks = time_base.denominator
    return {
        "video_track_timescale": str(ticks),
        "movie_timescale": str(ticks * math.ceil(1000 / ticks)),
    }
