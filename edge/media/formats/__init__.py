"""What a picture file says about itself before it is decoded: one file per format.

Each module has `parse(data) -> Header` and raises nothing but `FormatError`, whatever the bytes.
Modules of formats that are written also have `with_icc(data, icc) -> bytes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.errors import MediaError


class FormatError(MediaError):
    """The bytes are no whole file of this format; the message is half a sentence."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says before decoding.

    Attributes:
        width: Pixels, as stored (before orientation).
        height: Pixels, as stored.
        orientation: EXIF orientation, 1 to 8, still to be applied after decoding.
        icc: ICC profile of an RGB picture, or None.
        clear_grey: Grey level that is wholly transparent (PNG tRNS of a grey picture), in the
            range of the decoded samples; None otherwise.
        bits: Bits that a sample has where it is decoded into 16. OpenCV scales them to all 16, but
            not those of AVIF.
        alpha: Whether a TIFF says that its colours are multiplied by its alpha; empty where it
            does not say, and for all other formats.
        white_is_zero: Whether a TIFF stores grey the other way round.
    """

    width: int
    height: int
    orientation: int = 1
    icc: bytes | None = None
    clear_grey: int | None = None
    bits: int = 16
    alpha: Literal["", "straight", "multiplied"] = ""
    white_is_zero: bool = False


def rgb_profile(icc: bytes) -> bytes | None:
    """Return the profile if it is one for RGB pixels, which is what we write; None otherwise."""
    # ICC.1:2022 section 7.2.6: bytes 16 to 19 are the colour space of the data.
    return icc if len(icc) >= 128 and icc[16:20] == b"RGB " else None
