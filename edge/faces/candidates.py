"""Candidates: what may be a face, and which of those that overlap are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MOST_FACES = 1000
"""Faces from which it is not a crowd that was found but a model that its card does not mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What one look at a frame found: float32 arrays of N rows, in frame pixels but for `sides`.

    Attributes:
        scores: (N,) in [0, 1].
        boxes: (N, 4) x, y, width, height.
        points: (N, 5, 2) x, y.
        sides: (N,) longer side of the box in pixels of the look.
    """

    scores: Floats
    boxes: Floats
    points: Floats
    sides: Floats

    def take(self, rows: NDArray[Any]) -> Candidates:
        """Return some of the rows, by number or by a mask."""
        return Candidates(self.scores[rows], self.boxes[rows], self.points[rows], self.sides[rows])


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Return the rows of several looks together."""
    return Candidates(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.sides for part in parts]),
    )


def sane(found: Candidates, width: int, height: int) -> NDArray[np.bool_]:
    """Tell which candidates can be faces: finite, not a dot, centred in the frame.

    Returns:
        bool (N,).
    """
    finite = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.points).all(axis=(1, 2))
    centre = found.boxes[:, :2] + found.boxes[:, 2:] / 2
    inside = (centre >= 0).all(axis=1) & (centre[:, 0] < width) & (centre[:, 1] < height)
    spread = (found.points.max(axis=1) - found.points.min(axis=1)).max(axis=1)
    return cast(
        NDArray[np.bool_], finite & inside & (found.boxes[:, 2:].min(axis=1) >= 1) & (spread >= 1)
    )


def _overlaps(boxes: Floats, one: Floats) -> tuple[Floats, Floats]:
    """Return intersection over union, and intersection over the boxes' own areas."""
    low = np.maximum(boxes[:, :2], one[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], one[:2] + one[2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:], axis=1)
    union = areas + np.prod(one[2:]) - common
    return common / np.maximum(union, 1e-6), common / np.maximum(areas, 1e-6)


def suppress(
    found: Candidates, order_by: Floats, iou: float, nested: float, vote: float
) -> Candidates:
    """Keep the best of every group of boxes that overlap (greedy non-maximum suppression).

    With `vote` above 0 what is kept is placed by all candidates that overlap it by so much, each
    by its squared worth: neighbouring cells err independently, and their mean errs less.

    Args:
        found: The candidates.
        order_by: float32 (N,) worth of each; the higher one is kept.
        iou: Boxes that overlap a better one by more than this are dropped.
        nested: So are boxes that lie inside a better one by more than this share.
        vote: Least overlap of those that vote; 0: nobody does.

    Returns:
        Those that are kept, best first. More than `MOST_FACES` are not looked for: of tens of
        thousands of candidates that would take minutes.
    """
    left = np.argsort(-order_by, kind="stable")
    everybody = left
    kept: list[np.intp] = []
    boxes, points = [], []
    while left.size and len(kept) <= MOST_FACES:
        best, left = left[0], left[1:]
        kept.append(best)
        voters = everybody[_overlaps(found.boxes[everybody], found.boxes[best])[0] >= vote]
        if vote <= 0 or voters.size < 2:
            voters = np.array([best])
        weights = np.maximum(order_by[voters], 1e-6) ** 2
        boxes.append(np.average(found.boxes[voters], axis=0, weights=weights))
        points.append(np.average(found.points[voters], axis=0, weights=weights))
        union, inside = _overlaps(found.boxes[left], found.boxes[best])
        left = left[(union <= iou) & (inside <= nested)]
    if not kept:
        return found
    rows = np.array(kept, np.intp)
    return Candidates(
        found.scores[rows],
        np.asarray(boxes, np.float32),
        np.asarray(points, np.float32),
        found.sides[rows],
    )
