"""Tiles: look at a large picture in parts, so that memory does not grow with it.

A detector's activations take about a hundred bytes for each pixel that it sees at once. Tiles
overlap, so that each small face is whole in one of them; larger ones are found in a coarser look.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 850_000
"""Pixels that are looked at in one run: 1280x720 is two tiles, 1920x1080 three."""

OVERLAP = 160
"""Pixels that two neighbours share: faces so large are seen as well in a look half as fine."""

_GRID = 32
"""Tiles begin at multiples of the largest stride: cells lie as in the whole picture."""

_BORDER = 2.0  # pixels: a box that comes as near as this to a cut is one that was cut


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture, in its pixels.

    Attributes:
        left: First column.
        top: First row.
        right: Column behind the last one.
        bottom: Row behind the last one.
        cut: Whether more of the picture lies beyond each side: left, top, right, bottom.
    """

    left: int
    top: int
    right: int
    bottom: int
    cut: tuple[bool, bool, bool, bool]

    def whole(self, boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which boxes keep off the sides at which the tile was cut.

        Args:
            boxes: float32 (N, 4) x, y, width, height in pixels of the tile.

        Returns:
            bool (N,).
        """
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        size = np.array([self.right - self.left, self.bottom - self.top], np.float32)
        room = np.concatenate([low, size - high], axis=1)
        kept: NDArray[np.bool_] = ((room > _BORDER) | ~np.array(self.cut)).all(axis=1)
        return kept


def tiles(columns: int, rows: int, most: int = MOST_PIXELS) -> list[Tile]:
    """Cut a picture into tiles of about equal size; one tile where it is small enough.

    Args:
        columns: Width of the picture in pixels.
        rows: Height of the picture in pixels.
        most: Pixels that a tile may have. Exceeded only where tiles would be all overlap.
    """
    across, down = min(
        product(_counts(columns), _counts(rows)),
        key=lambda counts: _cost((columns, rows), counts, most),
    )
    return [
        Tile(x0, y0, x1, y1, (x0 > 0, y0 > 0, x1 < columns, y1 < rows))
        for (y0, y1), (x0, x1) in product(_spans(rows, down), _spans(columns, across))
    ]


def _counts(length: int) -> range:
    """Return into how many parts a length can be cut without all of them being overlap."""
    return range(1, max(1, length // OVERLAP) + 1)


def _cost(size: tuple[int, int], counts: tuple[int, int], most: int) -> tuple[int, int]:
    """Return by how much the tiles are too large, and the pixels that are looked at in all."""
    pixels = _side(size[0], counts[0]) * _side(size[1], counts[1])
    return max(0, pixels - most), pixels * counts[0] * counts[1]


def _side(length: int, count: int) -> int:
    """Return the length of each of `count` overlapping parts, at most."""
    if count == 1:
        return length
    return -(-(length + (count - 1) * OVERLAP) // count) + _GRID - 1


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    if count == 1:
        return [(0, length)]
    side = _side(length, count) - _GRID + 1
    starts = [min(place * (side - OVERLAP), length - side) for place in range(count)]
    return [(start // _GRID * _GRID, start + side) for start in starts]
