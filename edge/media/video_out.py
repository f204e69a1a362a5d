"""Write a video frame by frame, with the audio and the time stamps of the one it came from."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError, OutputError
from edge.media.audio import AudioCopy, NoAudio
from edge.media.pyav import EXACT_COLOURS, load_av, reason, working_matrix
from edge.media.video_info import LIMITED, VideoInfo
from edge.publish import writing_failed

CRF = 18
"""x264's constant rate factor: visually lossless, so that a swap costs no visible generation."""

PRESET = "veryfast"
"""x264's preset: a board encodes while it swaps."""

_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
_MPEG4_TICKS = 60_000  # MPEG-4 part 2 stores time in at most 65,535 ticks a second


class VideoWriter:
    """A video being written; use it as a context manager, or call `close` or `abort`.

    H.264 where this PyAV has it, MPEG-4 part 2 otherwise (`notes` says so); 8-bit 4:2:0, limited
    range. Frames are stored upright. A side with an odd number of pixels grows by one, its last
    row or column repeated: 4:2:0 has no odd sides, and scaling would blur. All metadata of the
    input but the audio's is left behind (place and device are nobody's business).

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
        self._last: int | None = None
        self._matrix = working_matrix(self._av, info.colour.matrix)
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
            self._time_base = info.time_base
            self._stream = self._add_video(codec or self._best_codec(), threads)
            self._audio: AudioCopy | NoAudio = (
                NoAudio()
                if info.path is None
                else AudioCopy(info.path, info.shift, self._output, container)
            )
        except BaseException:
            self._output.close()
            raise
        self._silent = not info.has_audio

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as in the input, one sentence each, for the summary."""
        return (*self._notes, *self._audio.notes)

    def _best_codec(self) -> str:
        if "libx264" in self._av.codecs_available:
            return "libx264"
        self._notes.append("this PyAV has no H.264 encoder: written as MPEG-4 part 2")
        return "mpeg4"

    def _add_video(self, codec: str, threads: int) -> Any:
        info = self._info
        options = {"crf": str(CRF), "preset": PRESET}
        if codec == "mpeg4":
            # Fixed quantiser 2: FF_QP2LAMBDA is 118.
            options = {"flags": "+qscale", "global_quality": str(2 * 118)}
            if self._time_base.denominator > 65_535:
                self._time_base = Fraction(1, _MPEG4_TICKS)
        rate = info.rate or Fraction(25)
        stream = self._output.add_stream(codec, rate=rate, options=options)
        context = stream.codec_context
        context.width = info.width + info.width % 2
        context.height = info.height + info.height % 2
        context.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = self._time_base
        context.sample_aspect_ratio = info.pixel_aspect
        context.thread_count = threads
        context.color_range = LIMITED
        context.colorspace = info.colour.matrix
        context.color_primaries = info.colour.primaries
        context.color_trc = info.colour.transfer
        if (info.width | info.height) % 2:
            self._notes.append(
                f"{info.width}x{info.height} was padded to even sides: "
                f"{context.width}x{context.height}"
            )
        return stream

    def write(self, frame: NDArray[np.uint8], pts: int | None) -> None:
        """Write one frame, and the audio up to it.

        Args:
            frame: uint8 (H, W, 3) BGR, upright, of the size in `info`.
            pts: Time stamp in ticks of `info.time_base`; None puts it one frame after the last.
                A stamp that does not grow is moved one tick behind the last.

        Raises:
            OutputError: It cannot be written: the disk is full.
        """
        info = self._info
        if frame.shape != (info.height, info.width, 3):
            raise MediaError(
                f"a frame of shape {frame.shape} does not fit a video of {info.width}x{info.height}"
            )
        right, bottom = info.width % 2, info.height % 2
        if right or bottom:
            padded = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
            frame = np.asarray(padded, np.uint8)
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        picture = picture.reformat(
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=LIMITED,
            interpolation=EXACT_COLOURS,
        )
        picture.pts = self._stamp(pts)
        picture.time_base = self._time_base
        try:
            self._output.mux(self._stream.encode(picture))
            self._audio.write_until(float(picture.pts * self._time_base))
        except (self._av.FFmpegError, OSError) as error:
            raise writing_failed(self._path, error) from error
        self.frames += 1

    def _stamp(self, pts: int | None) -> int:
        step = 1
        if pts is None:
            step = max(1, round(1 / ((self._info.rate or 25) * self._time_base)))
        elif self._time_base != self._info.time_base:
            pts = round(pts * self._info.time_base / self._time_base)
        if self._last is not None and (pts is None or pts <= self._last):
            pts = self._last + step
        self._last = pts or 0
        return self._last

    def close(self) -> None:
        """Write what is left and finish the file; it is opened again to see that it is whole.

        Raises:
            OutputError: It cannot be finished, or it does not hold what was written.
        """
        try:
            self._output.mux(self._stream.encode(None))
            self._audio.write_until(None)
            self._output.close()
        except (self._av.FFmpegError, OSError) as error:
            self.abort()
            raise writing_failed(self._path, error) from error
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
