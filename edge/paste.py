"""Paste: put the model's crop back into the frame, touching only the region of the face.

The frame that is written to is one of ours: it has not been labelled yet, so it must not leave
`edge.swap`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.colour import as_grey_as, match_colour
from edge.errors import UsageError
from edge.faces.align import inverse, scale_of
from edge.records import Crop, Region
from edge.rounding import product, transformed, warp

_FADE = 1 / 14  # of the crop's side: how far from the border the mask reaches full strength
_LEAST_FADE = 3.0  # pixels
_FEATHER = 1 / 96  # of the crop's side: blur of the mask, so that its own edge is no line
_FINE = 65535  # steps of the mask while it is blurred

_NOTHING = (0, 0, 0, 255)  # no colour added, all of the frame kept

_SOLID = (0.84, 0.68, 0.5)  # of the mask's width and height: middles that are tried
_WORTH_IT = 150 * 150  # pixels; for a smaller middle, what is saved goes into four more blends
_NOWHERE = Region(x=0, y=0, width=0, height=0)

_AREA = cv2.INTER_AREA

_ALIASING_SCALE = 0.5  # bilinear sampling skips pixels when it shrinks by more than two


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
    if cv2.minMaxLoc(mask)[0] >= 1:
        return _border_fade(size)  # of a model without a mask: there is no edge to soften
    # OpenCV blurs integers exactly, and float32 a little differently on every processor.
    fine = np.rint(np.clip(mask, 0, 1) * np.float32(_FINE)).astype(np.uint16)
    soft = cv2.GaussianBlur(fine, (0, 0), max(0.5, size * _FEATHER))
    return cast(NDArray[np.float32], soft * (_border_fade(size) / np.float32(_FINE)))


def paste(
    frame: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    matrix: NDArray[np.float64],
) -> Region:
    """Blend a crop into the frame, in place.

    Args:
        frame: uint8 (H, W, 3) BGR, contiguous and writable; changed inside the region only.
        picture: uint8 (S, S, 3) BGR.
        alpha: float32 (S, S) in [0, 1]; its outermost pixels count as 0.
        matrix: float64 (2, 3) similarity that takes frame pixels to crop pixels.

    Returns:
        The region that was touched: where the mask is not 0, clipped to the frame. Width or
        height is 0 where none of it lies in the frame.

    Raises:
        UsageError: The frame cannot be written to in place.
    """
    if frame.dtype != np.uint8 or not frame.flags.c_contiguous or not frame.flags.writeable:
        raise UsageError("the frame to paste into must be contiguous, writable uint8")
    share = _as_bytes(alpha)
    region = _region(frame, share, matrix)
    if region.width == 0 or region.height == 0:
        return region
    packed, shift = _packed(picture, share, matrix)
    shift[:, 2] = transformed(shift, np.array([[region.x, region.y]]))[0]
    # One warp of four channels: cv2 has no fast path for three. Outside the crop nothing is added
    # and the whole frame is kept.
    layer = warp(
        packed,
        shift,
        (region.width, region.height),
        cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        cv2.BORDER_CONSTANT,
        _NOTHING,
    )
    part = frame[region.y : region.y + region.height, region.x : region.x + region.width]
    _lay(part, layer, _solid(share, matrix, region))
    return region


def _lay(part: NDArray[np.uint8], layer: NDArray[np.uint8], solid: Region) -> None:
    """Lay a layer of four channels on a part of the frame, in place."""
    if solid.width * solid.height < _WORTH_IT:
        _blend(part, layer)
        return
    top, bottom = slice(0, solid.y), slice(solid.y + solid.height, None)
    left, right = slice(0, solid.x), slice(solid.x + solid.width, None)
    rows, columns = slice(top.stop, bottom.start), slice(left.stop, right.start)
    cv2.cvtColor(layer[rows, columns], cv2.COLOR_BGRA2BGR, dst=part[rows, columns])
    around = ((top, slice(None)), (bottom, slice(None)), (rows, left), (rows, right))
    for place in around:
        if part[place].size:
            _blend(part[place], layer[place])


def _blend(part: NDArray[np.uint8], layer: NDArray[np.uint8]) -> None:
    kept = cast(NDArray[np.uint8], cv2.cvtColor(cv2.extractChannel(layer, 3), cv2.COLOR_GRAY2BGR))
    cv2.add(product(part, kept, 255), cv2.cvtColor(layer, cv2.COLOR_BGRA2BGR), dst=part)


def _solid(share: NDArray[np.uint8], matrix: NDArray[np.float64], region: Region) -> Region:
    """Return a rectangle of the region in which nothing of the frame shows, as large as is easy.

    It lies around the middle of the mask. There the layer replaces the frame, which takes half
    the time of blending. Width or height is 0 where there is none.
    """
    left, top, columns, rows = cv2.boundingRect(share)
    for part in _SOLID:
        across, down = int(columns * (1 - part) / 2), int(rows * (1 - part) / 2)
        middle = share[top + down : top + rows - down, left + across : left + columns - across]
        if middle.size and cv2.minMaxLoc(middle)[0] == 255:
            break
    else:
        return _NOWHERE
    # A rectangle as wide and high as w and h times t lies within the turned one, by its corners.
    (a, b, _), (c, d, _) = matrix.tolist()
    wide, high = columns / 2 - across - 1, rows / 2 - down - 1  # of what bilinear sampling reaches
    w, h = region.width / 2, region.height / 2
    t = min(wide / (abs(a) * w + abs(b) * h), high / (abs(c) * w + abs(d) * h))
    x, y = (inverse(matrix) @ (left + (columns - 1) / 2, top + (rows - 1) / 2, 1)).tolist()
    x, y = x - region.x, y - region.y
    x0, x1 = max(math.ceil(x - t * w), 0), min(math.floor(x + t * w) + 1, region.width)
    y0, y1 = max(math.ceil(y - t * h), 0), min(math.floor(y + t * h) + 1, region.height)
    return Region(x=x0, y=y0, width=max(x1 - x0, 0), height=max(y1 - y0, 0))


def _as_bytes(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the mask as uint8 (S, S), 0 on the outermost pixels."""
    share = cast(NDArray[np.uint8], cv2.convertScaleAbs(alpha, alpha=255))
    _clear_border(share, 0)
    return share


def _clear_border(picture: NDArray[np.uint8], value: int | tuple[int, ...]) -> None:
    """Set the outermost pixels."""
    picture[0] = picture[-1] = value
    picture[:, 0] = picture[:, -1] = value


def _region(
    frame: NDArray[np.uint8], share: NDArray[np.uint8], matrix: NDArray[np.float64]
) -> Region:
    """Return where the part of the crop that shows lies in the frame, with a pixel of margin."""
    height, width = frame.shape[:2]
    left, top, columns, rows = cv2.boundingRect(share)
    if columns == 0 or rows == 0:
        return Region(x=0, y=0, width=0, height=0)
    # A pixel that shows reaches half way into its neighbours, and a shrunk crop's pixels further.
    reach = max(1.0, scale_of(matrix))
    across = (left - reach, left + columns - 1 + reach)
    down = (top - reach, top + rows - 1 + reach)
    # In Python's own numbers: eight of them are no work for arrays.
    span = []
    for (a, b, c), most in zip(inverse(matrix).tolist(), (width, height), strict=True):
        places = [a * x + b * y + c for x in across for y in down]
        first = min(max(math.floor(min(places)), 0), most)
        span.append((first, min(max(math.ceil(max(places)) + 1, first), most)))
    (x0, x1), (y0, y1) = span
    return Region(x=x0, y=y0, width=x1 - x0, height=y1 - y0)


def _packed(
    picture: NDArray[np.uint8], share: NDArray[np.uint8], matrix: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pack colour times mask, and 255 minus mask, into one picture of four channels.

    Colour that is multiplied beforehand leaves one product and one sum per pixel of the region.
    A crop that will shrink by two or more is shrunk here first, by averaging.
    """
    size = picture.shape[0]
    wide = cast(NDArray[np.uint8], cv2.cvtColor(share, cv2.COLOR_GRAY2BGR))
    colour = product(picture, wide, 255)
    packed = cast(NDArray[np.uint8], cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA))
    cv2.insertChannel(cv2.bitwise_not(share), packed, 3)
    scale = scale_of(matrix)
    if scale <= 1 / _ALIASING_SCALE:
        return packed, matrix.copy()
    # By a power of two, as the crop was cut out: means of whole pixels come out alike everywhere.
    small = max(2, size >> int(math.log2(scale)))
    shrunk = cast(NDArray[np.uint8], cv2.resize(packed, (small, small), interpolation=_AREA))
    # Nothing may show at the border, or the warp would cut it off.
    _clear_border(shrunk, _NOTHING)
    # The centre of small pixel u lies at (u + 0.5) * size / small - 0.5 in the crop.
    way = matrix * (small / size)
    way[:, 2] += 0.5 * small / size - 0.5
    return shrunk, way


def put_back(
    frame: NDArray[np.uint8],
    crop: Crop,
    picture: NDArray[np.uint8],
    mask: NDArray[np.float32],
) -> Region:
    """Feather the mask, match the colours, and paste: what a swap does with a model's output.

    Args:
        frame: uint8 (H, W, 3) BGR, contiguous and writable; changed inside the region only.
        crop: The crop that the model was given.
        picture: uint8 (S, S, 3) BGR, from the model.
        mask: float32 (S, S) in [0, 1], from the model.

    Returns:
        The region that was touched.

    Raises:
        UsageError: The frame cannot be written to in place.
    """
    alpha = feather(mask)
    picture = as_grey_as(crop.picture, picture)
    return paste(frame, match_colour(picture, alpha, crop.picture), alpha, crop.matrix)
