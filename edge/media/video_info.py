"""What is known of a video: the record that goes from the reader to the writer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIMITED, FULL = 1, 2
"""AVColorRange: 16 to 235 (television), 0 to 255 (JPEG)."""

_MATRICES = frozenset({1, 5, 6, 7, 9})  # BT.709, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020
_BT709, _SMPTE170M = 1, 6
_HDR_TRANSFERS = frozenset({16, 18})  # SMPTE ST 2084 (PQ), ARIB STD-B67 (HLG)
_HD_HEIGHT = 720
_UNSPECIFIED = 2


@dataclass(frozen=True, slots=True)
class Colour:
    """How the numbers of a video stand for colours (ITU-T H.273 code points).

    Attributes:
        matrix: YCbCr matrix: the stream's own, or what players take where it says none: BT.709
            from 720 lines up, SMPTE 170M (BT.601) below.
        primaries: As tagged; 2 is unspecified.
        transfer: As tagged; 2 is unspecified.
        full_range: Whether samples go from 0 to 255.
    """

    matrix: int
    primaries: int
    transfer: int
    full_range: bool

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer characteristics are those of high dynamic range: PQ or HLG."""
        return self.transfer in _HDR_TRANSFERS


def colour_of(matrix: int, primaries: int, transfer: int, full: bool, height: int) -> Colour:
    """Return how the numbers of a stream are read, with players' habits for what it leaves open.

    Args:
        matrix: H.273 matrix as tagged.
        primaries: H.273 primaries as tagged.
        transfer: H.273 transfer characteristics as tagged.
        full: Whether samples are tagged or known as full range.
        height: Lines as stored.
    """
    if matrix not in _MATRICES:
        matrix = _BT709 if height >= _HD_HEIGHT else _SMPTE170M
    return Colour(matrix, primaries or _UNSPECIFIED, transfer or _UNSPECIFIED, full)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video as it is seen.

    Attributes:
        path: The file; its audio is read again from here when the output is written. None for
            live pictures, which have no sound.
        width: Pixels, upright.
        height: Pixels, upright.
        orientation: How stored frames are turned to be upright, as EXIF counts, 1 to 8.
        rotation: The same as degrees clockwise: 0, 90, 180 or 270 (without any mirroring).
        rate: Mean frames a second; None where the file does not say.
        duration: Seconds; None where the file does not say.
        frames: Frames, as the file says or by rate and duration; None where neither is known.
        time_base: Seconds per tick of `VideoFrame.pts`.
        shift: Seconds taken off all time stamps (a transport stream starts anywhere).
        pixel_aspect: Width to height of one pixel, upright.
        colour: How the numbers stand for colours.
        has_audio: Whether there is at least one audio stream.
        codec: FFmpeg's name of the video codec.
        container: FFmpeg's name of the container.
    """

    path: Path | None
    width: int
    height: int
    orientation: int
    rotation: int
    rate: Fraction | None
    duration: float | None
    frames: int | None
    time_base: Fraction
    shift: Fraction
    pixel_aspect: Fraction
    colour: Colour
    has_audio: bool
    codec: str
    container: str


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame of a video.

    Attributes:
        frame: uint8 (H, W, 3) BGR, C-contiguous, upright; it belongs to the receiver.
        pts: Time stamp in ticks of `time_base`; None where the file gives none.
        time_base: Seconds per tick.
        index: 0 for the first frame that could be decoded.
    """

    frame: NDArray[np.uint8]
    pts: int | None
    time_base: Fraction
    index: int
