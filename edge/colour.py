"""Colour: what the model gave is shifted, near the seam, to the colours of the frame around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.rounding import blurred

# Colour is compared on a small grid: the correction is low-frequency by intent, and this is fast.
_GRID = 32
_REACH = 3.0  # cells of the grid that a difference at the seam is felt inwards (Gaussian sigma)

# Whole numbers come out alike on every processor (`edge.rounding`): parts of a level while
# differences are spread, and steps of one while the correction is enlarged, by a power of two.
_PARTS = np.float32(4096)
_STEPS = np.float32(64)
# Of the strongest weight: where the seam is farther away than the reach, nothing is corrected, and
# the face keeps the colours that the model gave it.
_FORGET = 0.15
# In uint8 steps. Light and skin shift colours alike all along the seam; where the difference is
# another than the usual one by more than the tolerance, there is hair, a hand or the background.
_TOLERANCE = np.float32(16)
_MOST = np.float32(48)
_ONE = np.float32(1)

_SEAM = 0.3  # of the strongest weight: what counts as seam when the usual difference is found

_GREY = 3.0  # in uint8 steps between channels: as much as coding leaves of no colour


@dataclass(frozen=True, slots=True, eq=False)
class Seam:
    """Where a mask has its seam, on the grid that colours are compared on.

    Attributes:
        weight: float32 (G, G), in parts (4096): 1 where a third of the target still shows, 0
            where only one of the two does: a little inside the middle of the seam, where both are
            most likely skin.
        places: Places in it, row by row, of what counts as seam; none where the mask is empty or
            has no edge.
    """

    weight: NDArray[np.float32]
    places: NDArray[np.intp]


def seam_of(share: NDArray[np.uint8]) -> Seam:
    """Find the seam of a mask.

    Args:
        share: uint8 (S, S): how much of the picture is used where, 255 for all.
    """
    part = _coarse(share, _grid_of(share.shape[0])).astype(np.float32) / np.float32(255)
    weight: NDArray[np.float32] = np.float32(6.75) * part * part * (1 - part)
    places = np.flatnonzero(weight > _SEAM)
    weight *= _PARTS
    return Seam(weight, places)


def match_colour(
    picture: NDArray[np.uint8], seam: Seam, target: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Shift the picture's colours near the seam to those of the target, so that no seam shows.

    The difference of the two is measured where the mask goes from 0 to 1, spread smoothly, and
    added; it fades away inwards. Detail and the middle of the face stay as the model gave them,
    which matching mean and spread of the whole face would not do.

    Args:
        picture: uint8 (S, S, 3) BGR, from the model.
        seam: Of the mask that it will be pasted with.
        target: uint8 (S, S, 3) BGR, the crop that the model was given.

    Returns:
        uint8 (S, S, 3) BGR.
    """
    if not seam.places.size:
        return picture
    size = picture.shape[0]
    grid = _grid_of(size)
    apart = cv2.subtract(_coarse(target, grid), _coarse(picture, grid), dtype=cv2.CV_32F)
    # Planes, one after another: NumPy's steps on a last axis of three take many times as long.
    planes = np.empty((4, *grid), np.float32)
    difference, weight = planes[:3], planes[3]
    difference[...] = apart.transpose(2, 0, 1)
    rim = difference.reshape(3, -1).take(seam.places, axis=1)
    rim.sort(axis=1)
    usual = rim[:, rim.shape[1] // 2, None, None]  # the median, per channel
    unusual = np.maximum.reduce(np.abs(difference - usual)) / _TOLERANCE
    np.divide(seam.weight, unusual * unusual + _ONE, out=weight)
    difference.clip(-_MOST, _MOST, out=difference)
    difference *= weight
    spread = blurred(np.rint(planes, out=planes), _REACH)
    share, correction = spread[3], spread[:3]
    correction /= (share + _FORGET * share.max()) / _STEPS
    steps = cv2.merge(tuple(np.rint(correction).astype(np.float32) / _STEPS))
    full = cv2.resize(steps, (size, size), interpolation=cv2.INTER_LINEAR)
    return cast(NDArray[np.uint8], cv2.add(picture, full, dtype=cv2.CV_8U))


def _grid_of(size: int) -> tuple[int, int]:
    """Return the grid for a crop: a power of two smaller, where that gives whole pixels."""
    halvings = max(0, math.ceil(math.log2(size / _GRID)))
    whole = size % (1 << halvings) == 0
    return (size >> halvings if whole else _GRID,) * 2


def _coarse(picture: NDArray[Any], grid: tuple[int, int]) -> NDArray[Any]:
    """Return a picture averaged down to a grid; halved as often as that goes, which is fast."""
    side = picture.shape[0]
    while side % (2 * grid[0]) == 0:
        side //= 2
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return picture if side == grid[0] else cv2.resize(picture, grid, interpolation=cv2.INTER_AREA)


def as_grey_as(target: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture without its colours where the target has none, else as it is.

    A model that learnt from colours gives a black-and-white photograph red lips.

    Args:
        target: uint8 (S, S, 3) BGR, the crop that the model was given.
        picture: uint8 (S, S, 3) BGR, from the model.
    """
    middle = target.shape[0] // 2
    # Nearly every target shows in its middle that it has colours.
    if _coloured(target[middle : middle + _A_FEW]) or _coloured(target):
        return picture
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cast(NDArray[np.uint8], cv2.merge((grey, grey, grey)))


_A_FEW = 8  # rows


def _coloured(picture: NDArray[np.uint8]) -> bool:
    """Return whether a picture has colours at all."""
    blue, green, red = cv2.split(picture)
    norm = cv2.NORM_INF
    return cv2.norm(blue, green, norm) > _GREY or cv2.norm(green, red, norm) > _GREY
