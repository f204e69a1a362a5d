"""Encode frames: one encoder for each segment of a video, and what comes out of it as a file.

A segment begins with a frame that needs no other and holds none that needs a later segment. So
segments can be made at different times, by different processes, and put together afterwards: what
comes out is the same, byte for byte, as if nothing had come between.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.errors import OutputError
from edge.machine import features_of
from edge.media.pixels import Pixels
from edge.media.pyav import load_av
from edge.media.video_info import LIMITED, VideoInfo

CRF = 18
"""x264's constant rate factor: visually lossless, so that a swap costs no visible generation."""

PRESET = "veryfast"
"""x264's preset: a board encodes while it swaps."""

_GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: MP4 has the encoder's header once, in front
_MPEG4_TICKS = 60_000  # MPEG-4 part 2 stores time in at most 65,535 ticks a second
_MAGIC = b"edge-swap/segment-1\n"
_HEAD = struct.Struct(">qBI")


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A frame as the encoder wrote it, in the order of coding.

    Attributes:
        data: The packet's bytes.
        pts: When it is shown, in the writer's ticks.
        key: Whether it needs no other frame.
    """

    data: bytes
    pts: int
    key: bool


def best_codec(av: ModuleType) -> str:
    """Return FFmpeg's name of the best encoder there is: libx264, or mpeg4."""
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def encoder_version() -> str:
    """Return what encodes here, in words: the same words, the same bytes for the same frames."""
    av = load_av()
    cores = os.cpu_count() or 1  # x264 cuts frames up by it
    return f"{best_codec(av)} of PyAV {av.__version__} on {cores} cores"


def ticks_of(info: VideoInfo, codec: str) -> Fraction:
    """Return the seconds per tick that a codec can tell the video's time in."""
    if codec == "mpeg4" and info.time_base.denominator > 65_535:
        return Fraction(1, _MPEG4_TICKS)
    return info.time_base


def options_of(codec: str) -> dict[str, str]:
    """Return FFmpeg's options for a codec's quality."""
    if codec == "mpeg4":
        # Fixed quantiser 2: FF_QP2LAMBDA is 118.
        return {"flags": "+qscale", "global_quality": str(2 * 118)}
    options = {"crf": str(CRF), "preset": PRESET}
    if any(feature.startswith("avx512") for feature in features_of()):
        # x264's AVX-512 code for macroblock trees reads memory that nobody wrote: the same frames
        # gave other bytes once in a while (seen with MALLOC_PERTURB_). AVX2 costs 1 % of its time.
        options["x264-params"] = "asm=avx2"
    return options


def configure(context: Any, info: VideoInfo, ticks: Fraction, threads: int) -> None:
    """Tell a codec context of PyAV what is encoded; the same for a stream and for a segment.

    Args:
        context: PyAV's codec context, not yet open.
        info: The video: size, colours, rate.
        ticks: Seconds per tick.
        threads: For the encoder; 0 lets it choose.
    """
    context.width = info.width + info.width % 2
    context.height = info.height + info.height % 2
    context.pix_fmt = "yuv420p"
    context.time_base = ticks
    context.framerate = info.rate or Fraction(25)
    context.sample_aspect_ratio = info.pixel_aspect
    context.thread_count = threads
    context.color_range = LIMITED
    context.colorspace = info.colour.matrix
    context.color_primaries = info.colour.primaries
    context.color_trc = info.colour.transfer


class Clock:
    """Time stamps of frames as they are written: growing, in ticks that the codec can hold.

    Attributes:
        last: The newest; None before the first.
    """

    def __init__(self, info: VideoInfo, ticks: Fraction, last: int | None = None) -> None:
        self._info, self.ticks = info, ticks
        self.last = last

    def stamp(self, pts: int | None) -> int:
        """Return the stamp that a frame gets.

        Args:
            pts: In ticks of `info.time_base`; None puts it one frame after the last. A stamp that
                does not grow is moved one tick behind the last.
        """
        step = 1
        if pts is None:
            step = max(1, round(1 / ((self._info.rate or 25) * self.ticks)))
        elif self.ticks != self._info.time_base:
            pts = round(pts * self._info.time_base / self.ticks)
        if self.last is not None and (pts is None or pts <= self.last):
            pts = self.last + step
        self.last = pts or 0
        return self.last


class Encoder:
    """Encodes the frames of one segment: labelled pixels in, packets out."""

    def __init__(self, info: VideoInfo, codec: str = "", threads: int = 0) -> None:
        """Open it.

        Args:
            info: The video: size, colours, rate.
            codec: libx264 or mpeg4; the best there is by default.
            threads: For the encoder; 0 lets it choose.
        """
        self._av = load_av()
        codec = codec or best_codec(self._av)
        self._info, self.ticks = info, ticks_of(info, codec)
        self._pixels = Pixels(self._av)
        self._context: Any = self._av.CodecContext.create(codec, "w")
        self._context.options = options_of(codec)
        configure(self._context, info, self.ticks, threads)
        self._context.flags |= _GLOBAL_HEADER

    def encode(self, frame: NDArray[np.uint8], pts: int) -> list[Coded]:
        """Encode one frame.

        Args:
            frame: uint8 (H, W, 3) BGR, upright, of the size in `info`.
            pts: In ticks of the codec; they grow.

        Raises:
            MediaError: The frame is of another size.
        """
        picture = self._pixels.coded(frame, self._info)
        picture.pts, picture.time_base = pts, self.ticks
        return [_coded(packet) for packet in self._context.encode(picture)]

    def finish(self) -> list[Coded]:
        """Return what is left in the encoder; it is not used any more."""
        return [_coded(packet) for packet in self._context.encode(None)]


def _coded(packet: Any) -> Coded:
    return Coded(bytes(packet), int(packet.pts), bool(packet.is_keyframe))


# Segments as files -------------------------------------------------------------------------------


def begin_file(file: BinaryIO) -> None:
    """Write what a segment's file begins with."""
    file.write(_MAGIC)


def append_to(file: BinaryIO, packets: Sequence[Coded]) -> None:
    """Write packets behind those that a segment's file has."""
    for packet in packets:
        file.write(_HEAD.pack(packet.pts, packet.key, len(packet.data)) + packet.data)


def packets_of(path: Path) -> Iterator[Coded]:
    """Yield the packets of a segment's file, in the order of coding.

    Raises:
        OutputError: It is none, or ends early.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise OutputError(f"{path}: is no segment of a video")
        while head := file.read(_HEAD.size):
            data = b""
            if len(head) == _HEAD.size:
                pts, key, size = _HEAD.unpack(head)
                data = file.read(size)
            if not data or len(data) != size:
                raise OutputError(f"{path}: ends early")
            yield Coded(data, pts, bool(key))


def decoding_times(stamps: Sequence[int]) -> list[int]:
    """Return when each packet of a video is decoded, from when each is shown.

    As encoders do it: packets are decoded at the times at which frames are shown, each as much
    earlier as the one needs it that is coded furthest before its turn.

    Args:
        stamps: When each is shown, in ticks, in the order of coding; all different.
    """
    shown = sorted(stamps)
    place = {stamp: number for number, stamp in enumerate(shown)}
    delay = max((number - place[stamp] for number, stamp in enumerate(stamps)), default=0)
    if not delay:
        return list(shown)
    lead = shown[delay] - shown[0]
    return [shown[n] - lead if n < delay else shown[n - delay] for n in range(len(shown))]
