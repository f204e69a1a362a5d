"""TIFF 6.0 and BigTIFF, first page. Read only; OpenCV applies the orientation tag itself."""

from __future__ import annotations

from typing import Literal

from edge.media.formats import FormatError, Header

_WIDTH, _HEIGHT, _COLOURS, _EXTRA = 256, 257, 262, 338
_TAGS = frozenset({_WIDTH, _HEIGHT, _COLOURS, _EXTRA})
_WHITE_IS_ZERO, _LAB = 0, frozenset({8, 9, 10})  # CIE, ICC and ITU L*a*b*
_ALPHAS: dict[int, Literal["straight", "multiplied"]] = {1: "multiplied", 2: "straight"}
_SIZES = {3: 2, 4: 4, 16: 8}  # SHORT, LONG, LONG8


def parse(data: bytes) -> Header:
    """Return what the first page of a TIFF says of itself.

    Raises:
        FormatError: It is truncated or damaged, or has Lab colours.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = int.from_bytes(data[2:4], order) == 43
    if big:
        start, count_size, entry_size, value_at = int.from_bytes(data[8:16], order), 8, 20, 12
    else:
        start, count_size, entry_size, value_at = int.from_bytes(data[4:8], order), 2, 12, 8
    count = int.from_bytes(data[start : start + count_size], order)
    found: dict[int, int] = {}
    for index in range(count):
        at = start + count_size + entry_size * index
        entry = data[at : at + entry_size]
        if len(entry) < entry_size:
            raise FormatError("is truncated: its TIFF directory is missing")
        tag = int.from_bytes(entry[:2], order)
        size = _SIZES.get(int.from_bytes(entry[2:4], order))
        if tag in _TAGS and size is not None:
            found[tag] = int.from_bytes(entry[value_at : value_at + size], order)
    if not found.get(_WIDTH) or not found.get(_HEIGHT):
        raise FormatError("is damaged or truncated: its TIFF directory has no size")
    if found.get(_COLOURS) in _LAB:  # OpenCV gives them a tint, or cannot read them
        raise FormatError("is a TIFF with Lab colours; save it as RGB")
    return Header(
        found[_WIDTH],
        found[_HEIGHT],
        alpha=_ALPHAS.get(found.get(_EXTRA, 0), ""),
        white_is_zero=found.get(_COLOURS) == _WHITE_IS_ZERO,
    )
