"""Which cells may answer for a face, and how cells and pictures measure the same thing.

Cells of all strides stand in one list, row by row, stride 8 first. The coding is the runtime's:
a centre or point is ``(cell + d) * stride``, a size ``exp(.) * stride``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
# Faces (root of the box's area, pixels) that a stride may answer for; the ranges overlap so that a
# face between two strides has two chances.
RANGES = {8: (0.0, 52.0), 16: (26.0, 120.0), 32: (68.0, 1e9)}
PER_LEVEL = 12
CANDIDATES = 24

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return every cell's (column, row) float32 (N, 2) and stride float32 (N,)."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        column, row = np.meshgrid(np.arange(columns), np.arange(rows))
        cells.append(np.stack((column.ravel(), row.ravel()), 1))
        strides.append(np.full(rows * columns, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def candidates(boxes: Floats, height: int, width: int) -> Ints:
    """List the cells that may answer for each face, nearest first within a stride.

    Args:
        boxes: float32 (G, 4) x, y, width, height in pixels.
        height: of the canvas, a multiple of 32.
        width: of the canvas, a multiple of 32.

    Returns:
        int64 (G, CANDIDATES) places in the list of cells, -1 where there is none.
    """
    cells, strides = grid(height, width)
    middles = (cells + 0.5) * strides[:, None]
    chosen = np.full((len(boxes), CANDIDATES), -1, np.int64)
    for number, (x, y, w, h) in enumerate(boxes):
        size, centre = float(np.sqrt(w * h)), np.array([x + w / 2, y + h / 2])
        found: list[int] = []
        for stride in STRIDES:
            low, high = RANGES[stride]
            if not low <= size < high:
                continue
            distance = np.abs(middles - centre).max(1)
            near = (strides == stride) & (distance <= max(0.8 * stride, 0.3 * size))
            places = np.flatnonzero(near)
            found.extend(places[np.argsort(distance[places], kind="stable")][:PER_LEVEL].tolist())
        chosen[number, : min(len(found), CANDIDATES)] = found[:CANDIDATES]
    return chosen


def ignored(boxes: Floats, height: int, width: int) -> NDArray[np.bool_]:
    """Mark the cells (N,) inside boxes float32 (M, 4) that are neither a face nor a thing."""
    cells, strides = grid(height, width)
    middles = (cells + 0.5) * strides[:, None]
    marked = np.zeros(len(cells), bool)
    for x, y, w, h in boxes:
        inside = (middles >= (x, y)) & (middles <= (x + w, y + h))
        marked |= inside.all(1)
    return marked
