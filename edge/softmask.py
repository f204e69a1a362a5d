"""A model's mask, softened, with all that pasting takes from it.

For a model without a mask all of that depends on the crop's size alone, and is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.colour import Seam, seam_of
from edge.rounding import product

_FADE = 1 / 14  # of the crop's side: how far from the border the mask reaches full strength
_LEAST_FADE = 3.0  # pixels
_FEATHER = 1 / 96  # of the crop's side: blur of the mask, so that its own edge is no line
_FINE = 65535  # steps of the mask while it is blurred

_SOLID = (0.87, 0.84, 0.68, 0.5)  # of the mask's width and height: middles that are tried


@lru_cache(maxsize=16)
def _border_fade(size: int) -> NDArray[np.float32]:
    """Return float32 (S, S): 0 on the outermost pixels, rising smoothly to 1 inwards."""
    steps = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32)
    ramp = np.clip(steps / max(_LEAST_FADE, size * _FADE), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    fade = np.outer(smooth, smooth).astype(np.float32)
    fade.flags.writeable = False
    return fade


def feather(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Soften a model's mask so that neither its edge nor the crop's border can be seen.

    Args:
        mask: float32 (S, S) in [0, 1].

    Returns:
        float32 (S, S) in [0, 1]; 0 on the outermost pixels.
    """
    size = mask.shape[0]
    if _is_full(mask):
        return _border_fade(size)  # there is no edge to soften
    # OpenCV blurs integers exactly, and float32 a little differently on every processor.
    fine = np.rint(np.clip(mask, 0, 1) * np.float32(_FINE)).astype(np.uint16)
    soft = cv2.GaussianBlur(fine, (0, 0), max(0.5, size * _FEATHER))
    return cast(NDArray[np.float32], soft * (_border_fade(size) / np.float32(_FINE)))


def _is_full(mask: NDArray[np.float32]) -> bool:
    """Return whether all of the crop may be replaced, as by a model without a mask."""
    return cv2.minMaxLoc(mask)[0] >= 1


@dataclass(frozen=True, slots=True, eq=False)
class SoftMask:
    """How much of a crop's pixels is used where, 255 for all; 0 on the outermost pixels.

    Attributes:
        factors: uint8 (S, S, 4): that number three times, for products with colours, and what is
            left of the frame, 255 less that number.
        bounds: Left, top, width and height of what is not 0; width and height 0 if there is
            nothing.
        solid: How far to either side, across and down, from the middle of the bounds all of the
            frame is hidden; None where its middle is not solid.
        seam: Where colours are matched.
    """

    factors: NDArray[np.uint8]
    bounds: tuple[int, int, int, int]
    solid: tuple[float, float] | None
    seam: Seam


def of_alpha(alpha: NDArray[np.float32]) -> SoftMask:
    """Return what pasting takes from a mask.

    Args:
        alpha: float32 (S, S) in [0, 1]; its outermost pixels count as 0.
    """
    share = levels(alpha)
    clear_border(share, 0)
    return _soft(share, share, seam_of(share))


def levels(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return shares in [0, 1] as levels in 0..255, of the same shape."""
    return cast(NDArray[np.uint8], cv2.convertScaleAbs(alpha, alpha=255))


def _soft(colours: NDArray[np.uint8], share: NDArray[np.uint8], seam: Seam) -> SoftMask:
    """Put together what colours are multiplied with and how much of the frame a mask hides."""
    bounds = cast("tuple[int, int, int, int]", tuple(cv2.boundingRect(share)))
    factors = cv2.merge((colours, colours, colours, cv2.bitwise_not(share)))
    return SoftMask(cast(NDArray[np.uint8], factors), bounds, _solid(share, bounds), seam)


def softened(mask: NDArray[np.float32]) -> SoftMask:
    """Soften a model's mask; see `feather`.

    Args:
        mask: float32 (S, S) in [0, 1].
    """
    return _whole(mask.shape[0]) if _is_full(mask) else of_alpha(feather(mask))


def faded(share: NDArray[np.uint8], within: NDArray[np.float32] | None = None) -> SoftMask:
    """Return what pasting takes from an exact mask, which is itself not softened.

    Colours are multiplied with what is left of them by the crop's border, and by where they may be
    shown, and the frame keeps what the mask leaves as well.

    Args:
        share: uint8 (S, S), 255 for all.
        within: float32 (S, S) in [0, 1], where maskers let it show; None for everywhere.
    """
    whole = _whole(share.shape[0])
    fade = cast(NDArray[np.uint8], cv2.extractChannel(whole.factors, 0))
    if within is not None:
        fade = levels(feather(within))
    return _soft(fade, product(fade, share, 255), whole.seam)


@lru_cache(maxsize=2)
def _whole(size: int) -> SoftMask:
    """Return the mask of a model that has none."""
    return of_alpha(_border_fade(size))


def _solid(
    share: NDArray[np.uint8], bounds: tuple[int, int, int, int]
) -> tuple[float, float] | None:
    left, top, columns, rows = bounds
    for part in _SOLID:
        across, down = int(columns * (1 - part) / 2), int(rows * (1 - part) / 2)
        middle = share[top + down : top + rows - down, left + across : left + columns - across]
        if middle.size and cv2.minMaxLoc(middle)[0] == 255:
            return columns / 2 - across, rows / 2 - down
    return None


def clear_border(picture: NDArray[np.uint8], value: int | tuple[int, ...]) -> None:
    """Set the outermost pixels of a picture, in place."""
    picture[0] = picture[-1] = value
    picture[:, 0] = picture[:, -1] = value
