"""BMP: BITMAPFILEHEADER and the headers that follow it. Read only."""

from __future__ import annotations

from edge.media.formats import FormatError, Header

_CORE = 12  # BITMAPCOREHEADER of OS/2, with 16-bit sides


def parse(data: bytes) -> Header:
    """Return what a BMP says of itself.

    Raises:
        FormatError: It is truncated or damaged.
    """
    if len(data) < 30:
        raise FormatError("is truncated: the BMP header is missing")
    if int.from_bytes(data[14:18], "little") == _CORE:
        width, height = (int.from_bytes(data[i : i + 2], "little") for i in (18, 20))
    else:
        width, height = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22))
    height = abs(height)  # negative: rows from top to bottom
    if width <= 0 or height == 0:
        raise FormatError("is damaged: its BMP header has no size")
    return Header(width, height)
