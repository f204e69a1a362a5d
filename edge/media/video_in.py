"""Read a video frame by frame; memory does not grow with its length."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import MediaError
from edge.limits import device_limits
from edge.media import exif
from edge.media.ends import FEW, falls_short, is_cut_off, later
from edge.media.joints import Joints, picture_stream
from edge.media.limits import VideoLimits
from edge.media.pixels import Pixels
from edge.media.pyav import (
    OPEN_OPTIONS,
    load_av,
    open_to_read,
    reason,
    working_matrix,
)
from edge.media.sniff import sniff
from edge.media.video_info import FULL, VideoFrame, VideoInfo, colour_of

_MICRO = 1_000_000  # AV_TIME_BASE

# Signs of a, b, c, d of the display matrix (p' = a p + c q, q' = b p + d q) as EXIF orientation.
_TURNS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
_DEGREES = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}


def open_video(path: Path, limits: VideoLimits | None = None) -> VideoReader:
    """Open a video; use it as a context manager.

    Args:
        path: A file: MP4, MOV, MKV, WebM, AVI, MPEG or FLV.
        limits: What is refused; this device's limits by default.

    Raises:
        EngineMissing: PyAV is not installed.
        MediaError: The file is missing, damaged, no video, over a limit, or has no frame that can
            be decoded.
    """
    return VideoReader(path, limits)


class VideoReader:
    """An open video: `info`, and its frames by iteration, once.

    A packet that cannot be decoded is skipped and counted; a file that ends early gives the frames
    it has. `notes` says so after the iteration.

    Attributes:
        info: What is known of the video.
        broken: Packets and frames skipped so far.
    """

    def __init__(self, path: Path, limits: VideoLimits | None = None) -> None:
        self._limits = limits = limits or device_limits().video
        self._av = load_av()
        self._path = path
        self._pixels = Pixels(self._av)
        self.broken = 0
        self._interlaced = False
        self._container: Any = _open(self._av, path)
        self._ended_early = is_cut_off(path)
        try:
            streams = len(self._container.streams)
            if streams > limits.max_streams:
                raise MediaError(f"{path}: has {streams} streams: at most {limits.max_streams}")
            self._stream = picture_stream(self._container)
            if self._stream is None:
                raise MediaError(f"{path}: has no video stream")
            context = self._stream.codec_context
            complaint = limits.complaint(context.width, context.height)
            if complaint is not None:
                raise MediaError(f"{path}: is a video that cannot be used: {complaint}")
            complaint = limits.complaint_of_time(*_stated_time(self._container, self._stream))
            if complaint is not None:
                raise MediaError(f"{path}: is a video that cannot be used: {complaint}")
            self._stream.thread_type = "AUTO"
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise MediaError(f"{path}: is a video without a frame that can be decoded")
            self.info = _describe(path, self._container, self._stream, self._first)
        except BaseException:
            self._container.close()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not as it should be, one sentence each, for the summary."""
        found = []
        if self._interlaced:
            found.append(
                "the video is interlaced: each frame is taken as one picture and written "
                "progressive; deinterlace it first for clean edges"
            )
        if self.info.colour.is_hdr:
            found.append("the video is HDR: its colours are kept, in 8 bits, so steps may show")
        if self.broken:
            packets = "1 packet" if self.broken == 1 else f"{self.broken} packets"
            found.append(f"{packets} could not be decoded: frames that need them are left out")
        if self._ended_early:
            found.append("the video ends early: the file is truncated")
        return tuple(found)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._decoded.close()
        self._container.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield the frames, upright, in the order they are shown."""
        return self.sampled(1)

    def sampled(self, step: int, start: int = 0) -> Iterator[VideoFrame]:
        """Yield every `step`-th frame; the others are decoded, but not made into pictures.

        Args:
            step: At least 1; frame `start` always comes.
            start: Number of the first frame that is wanted.
        """
        frame, self._first = self._first, None
        index = 0
        while frame is not None:
            if index >= start and (index - start) % step == 0:
                yield self._hand_out(frame, index)
            index += 1
            frame = next(self._decoded, None)

    def _hand_out(self, frame: Any, index: int) -> VideoFrame:
        info = self.info
        turned = info.orientation >= 5
        pixels = self._pixels.of(
            frame,
            (info.height, info.width) if turned else (info.width, info.height),
            working_matrix(self._av, info.colour.matrix),
            **_source_range(frame, info.colour.full_range),
        )
        shift = round(info.shift / info.time_base)
        return VideoFrame(
            frame=exif.upright(pixels, info.orientation),
            pts=None if frame.pts is None else frame.pts - shift,
            time_base=info.time_base,
            index=index,
        )

    def _decode(self) -> Generator[Any, None, None]:
        """Yield PyAV's frames; what cannot be decoded is counted, a damaged end is noted."""
        packets = count = 0
        end: Fraction | None = None
        for packet in self._packets():
            packets += packet.size > 0
            end = later(end, packet)
            try:
                frames = self._stream.decode(packet if packet.size else None)
            except EOFError:
                break
            except self._av.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.broken += 1
                elif count >= self._limits.max_frames:
                    raise MediaError(
                        f"{self._path}: has more than {self._limits.max_frames} frames: cut it"
                    )
                else:
                    count += 1
                    self._interlaced |= bool(frame.interlaced_frame)
                    yield frame
        # A cut MP4 may hold more than it shows (an edit list): then its packets end as it says.
        if packets < self._stream.frames and falls_short(self._stream, end):
            self._ended_early = True

    def _packets(self) -> Iterator[Any]:
        """Yield the video's packets, as if a file that is several, joined, were one."""
        joints = Joints(self._container)
        packets = joints.onward(self._demuxed(joints.streams))
        return (packet for packet in packets if packet.stream.index == self._stream.index)

    def _demuxed(self, streams: Sequence[Any]) -> Iterator[Any]:
        demuxed = self._container.demux(*streams)
        while True:
            try:
                packet = next(demuxed)
            except (StopIteration, EOFError):
                return
            except self._av.FFmpegError:
                self._ended_early = True
                return
            yield packet


def _open(av: Any, path: Path) -> Any:
    try:
        if not path.exists():
            raise MediaError(f"{path}: there is no such file")
        if not path.is_file():
            raise MediaError(f"{path}: is not a file; give a video file")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: is empty")
        with path.open("rb") as file:
            kind = sniff(file.read(64))
        if kind.startswith("image/"):
            raise MediaError(f"{path}: is a picture ({kind[6:].upper()}), not a video")
        return open_to_read(av, path, OPEN_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path}: is no video that can be read: {reason(error)}") from error


def _orientation(frame: Any) -> int:
    """Return the EXIF orientation that a frame's display matrix stands for; 1 where odd or none."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except (KeyError, ValueError):
        return 1
    if matrix is None:
        return 1
    a, b, _, c, d = struct.unpack("=9i", bytes(matrix)[:36])[:5]
    signs = tuple((value > 1 << 15) - (value < -(1 << 15)) for value in (a, b, c, d))
    return _TURNS.get(signs, 1)


def _is_full(stream: Any, frame: Any) -> bool:
    return frame.color_range == FULL or str(frame.format.name).startswith("yuvj")


def _source_range(frame: Any, full: bool) -> dict[str, int]:
    """Return the argument that tells a range which the pixel format does not tell already."""
    if full and not frame.format.name.startswith("yuvj") and frame.color_range != FULL:
        return {"src_color_range": FULL}
    return {}


def _describe(path: Path, container: Any, stream: Any, frame: Any) -> VideoInfo:
    context = stream.codec_context
    orientation = _orientation(frame)
    width, height = frame.width, frame.height
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    colour = colour_of(
        int(frame.colorspace),
        int(context.color_primaries),
        int(context.color_trc),
        _is_full(stream, frame),
        height,
    )
    if orientation >= 5:
        width, height, aspect = height, width, 1 / aspect
    rate = stream.average_rate or stream.guessed_rate or None
    duration = _seconds(container, stream)
    counted = round(duration * rate) if duration and rate else None
    frames = stream.frames or counted
    if frames and counted and counted < frames - FEW:
        frames = counted  # it holds more than it shows: an edit list
    # MP4 and Matroska start at zero, or mean the gap; a transport stream starts anywhere.
    free_start = container.format.name in {"mpegts", "mpeg"} and container.start_time
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        orientation=orientation,
        rotation=_DEGREES[orientation],
        rate=None if rate is None else Fraction(rate),
        duration=duration,
        frames=frames,
        time_base=Fraction(stream.time_base),
        shift=Fraction(container.start_time, _MICRO) if free_start else Fraction(0),
        pixel_aspect=aspect,
        colour=colour,
        has_audio=bool(container.streams.audio),
        codec=str(context.name),
        container=str(container.format.name),
    )


def _stated_time(container: Any, stream: Any) -> tuple[float | None, float | None]:
    """Return the duration in seconds and the frames a second that a file states."""
    rate = stream.average_rate or stream.guessed_rate or None
    return _seconds(container, stream), None if rate is None else float(rate)


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / _MICRO if container.duration else None
