"""The one thing that decoding needs from EXIF: how the picture is turned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112
_SHORT = 3


def orientation(block: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or the block is malformed.

    A broken EXIF block is no reason to refuse a picture: viewers ignore it too.

    Args:
        block: The TIFF structure, with or without the Exif marker (six bytes) before it.
    """
    if block[:6] == b"Exif\x00\x00":
        block = block[6:]
    if block[:4] == b"II*\x00":
        order: Any = "little"
    elif block[:4] == b"MM\x00*":
        order = "big"
    else:
        return 1
    start = int.from_bytes(block[4:8], order)
    count = int.from_bytes(block[start : start + 2], order)
    for index in range(count):
        at = start + 2 + 12 * index
        entry = block[at : at + 12]
        if len(entry) < 12:
            return 1
        if int.from_bytes(entry[:2], order) == _ORIENTATION:
            value = int.from_bytes(entry[8:10], order)
            short = int.from_bytes(entry[2:4], order) == _SHORT
            return value if short and 1 <= value <= 8 else 1
    return 1


def upright(array: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    """Return a picture as it is to be seen.

    Args:
        array: uint8 (H, W) or (H, W, C), as stored.
        value: EXIF orientation, 1 to 8.

    Returns:
        uint8, C-contiguous; sides are swapped for 5 to 8. The array itself where nothing is done.
    """
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(value, 0)
    turned = np.rot90(array, quarter_turns)
    if value in {2, 4}:  # mirrored, not turned by a quarter
        turned = turned[:, ::-1]
    elif value in {5, 7}:
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
