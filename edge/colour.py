"""Colour: what the model gave is shifted, near the seam, to the colours of the frame around it."""

from __future__ import annotations

import math
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
_PARTS = 4096
_STEPS = 64
# Of the strongest weight: where the seam is farther away than the reach, nothing is corrected, and
# the face keeps the colours that the model gave it.
_FORGET = 0.15
# In uint8 steps. Light and skin shift colours alike all along the seam; where the difference is
# another than the usual one by more than the tolerance, there is hair, a hand or the background.
_TOLERANCE = 16.0
_MOST = 48.0

_SEAM = 0.3  # of the strongest weight: what counts as seam when the usual difference is found

_GREY = 3.0  # in uint8 steps between channels: as much as coding leaves of no colour

_TO_THREE = cv2.COLOR_GRAY2BGR


def match_colour(
    picture: NDArray[np.uint8], alpha: NDArray[np.float32], target: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Shift the picture's colours near the seam to those of the target, so that no seam shows.

    The difference of the two is measured where the mask goes from 0 to 1, spread smoothly, and
    added; it fades away inwards. Detail and the middle of the face stay as the model gave them,
    which matching mean and spread of the whole face would not do.

    Args:
        picture: uint8 (S, S, 3) BGR, from the model.
        alpha: float32 (S, S) in [0, 1], feathered.
        target: uint8 (S, S, 3) BGR, the crop that the model was given.

    Returns:
        uint8 (S, S, 3) BGR.
    """
    size = picture.shape[0]
    grid = _grid_of(size)
    wanted, given = _coarse(target, grid), _coarse(picture, grid)
    share = _coarse(cv2.convertScaleAbs(alpha, alpha=255), grid) / np.float32(255)
    # 1 where a third of the target still shows, 0 where only one of the two does: a little inside
    # the middle of the seam, where both are most likely skin.
    seam = 6.75 * share * share * (1 - share)
    rows = seam > _SEAM
    if not rows.any():
        return picture  # the mask is empty or has no edge
    difference = cv2.subtract(wanted, given, dtype=cv2.CV_32F)
    ordered = np.sort(difference[rows], axis=0)
    usual = ordered[len(ordered) // 2].tolist()  # the median, per channel
    apart = cv2.absdiff(difference, (*usual, 0))  # type: ignore[call-overload]
    blue, green, red = cv2.split(apart)
    unusual = np.maximum(np.maximum(blue, green), red) / _TOLERANCE
    seam /= 1 + unusual * unusual
    # OpenCV's own steps between channels take half the time of NumPy's broadcasting.
    weighted = cv2.multiply(np.clip(difference, -_MOST, _MOST), cv2.cvtColor(seam, _TO_THREE))
    planes = cv2.insertChannel(seam, cv2.cvtColor(weighted, cv2.COLOR_BGR2BGRA), 3)
    spread = blurred(np.rint(planes * _PARTS), _REACH)
    weight = spread[..., 3:]
    correction = spread[..., :3] / (weight + _FORGET * weight.max())
    steps = (np.rint(correction * _STEPS) / _STEPS).astype(np.float32)
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
    blue, green, red = cv2.split(target)
    colour = max(cv2.norm(blue, green, cv2.NORM_INF), cv2.norm(green, red, cv2.NORM_INF))
    if colour > _GREY:
        return picture
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cast(NDArray[np.uint8], cv2.merge((grey, grey, grey)))
