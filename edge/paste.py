"""Paste: put the model's crop back into the frame, touching only the region of the face.

The frame that is written to is one of ours: it has not been labelled yet, so it must not leave
`edge.swap`.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.colour import as_grey_as, match_colour
from edge.errors import UsageError
from edge.faces.align import Rows, enlarges, rows_of, way_back
from edge.records import Crop, Region
from edge.rounding import product, warp
from edge.softmask import SoftMask, clear_border, faded, levels, softened

_NOTHING = (0, 0, 0, 255)  # no colour added, all of the frame kept

_WORTH_IT = 150 * 150  # pixels; for a smaller middle, what is saved goes into four more blends
_NOWHERE = Region(x=0, y=0, width=0, height=0)

_AREA, _CONSTANT = cv2.INTER_AREA, cv2.BORDER_CONSTANT

_LEVEL = 1 / 8  # rise over run of a crop's rows in the frame, to which it counts as level
_ROOM = 1 / 8  # of the crop's side

_ALIASING_SCALE = 0.5  # bilinear sampling skips pixels when it shrinks by more than two


def paste(
    frame: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    mask: SoftMask,
    matrix: NDArray[np.float64],
) -> Region:
    """Blend a crop into the frame, in place.

    Args:
        frame: uint8 (H, W, 3) BGR, contiguous and writable; changed inside the region only.
        picture: uint8 (S, S, 3) BGR.
        mask: How much of it is used where.
        matrix: float64 (2, 3) similarity that takes frame pixels to crop pixels.

    Returns:
        The region that was touched: where the mask is not 0, clipped to the frame. Width or
        height is 0 where none of it lies in the frame.

    Raises:
        UsageError: The frame cannot be written to in place.
    """
    if frame.dtype != np.uint8 or not frame.flags.c_contiguous or not frame.flags.writeable:
        raise UsageError("the frame to paste into must be contiguous, writable uint8")
    there = rows_of(matrix)
    back = way_back(there)
    region = _region(frame.shape[1], frame.shape[0], mask, back, enlarges(there))
    if region.width == 0 or region.height == 0:
        return region
    packed, ((a, b, c), (d, e, f)) = _packed(picture, mask, there)
    if abs(d) <= _LEVEL * abs(a):
        # The warp looks up pixel by pixel where a vector of it crosses the picture's border.
        room = int(packed.shape[0] * _ROOM)
        wider = cv2.copyMakeBorder(packed, 0, room, 0, room, _CONSTANT, value=_NOTHING)
        packed = cast(NDArray[np.uint8], wider)
    x, y = region.x, region.y
    # One warp of four channels: cv2 has no fast path for three. Outside the crop nothing is added
    # and the whole frame is kept.
    layer = warp(
        packed,
        np.array(((a, b, x * a + y * b + c), (d, e, x * d + y * e + f))),
        (region.width, region.height),
        cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        _CONSTANT,
        _NOTHING,
    )
    part = frame[y : y + region.height, x : x + region.width]
    _lay(part, layer, _solid(mask, there, back, region))
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


def _solid(mask: SoftMask, there: Rows, back: Rows, region: Region) -> Region:
    """Return a rectangle of the region in which nothing of the frame shows, as large as is easy.

    It lies around the middle of the mask. There the layer replaces the frame, which takes half
    the time of blending. Width or height is 0 where there is none.
    """
    if mask.solid is None:
        return _NOWHERE
    # A rectangle as wide and high as w and h times t lies within the turned one, by its corners.
    (a, b, _), (c, d, _) = there
    wide, high = mask.solid[0] - 1, mask.solid[1] - 1  # of what bilinear sampling reaches
    w, h = region.width / 2, region.height / 2
    t = min(wide / (abs(a) * w + abs(b) * h), high / (abs(c) * w + abs(d) * h))
    left, top, columns, rows = mask.bounds
    u, v = left + (columns - 1) / 2, top + (rows - 1) / 2
    x, y = (p * u + q * v + r for p, q, r in back)
    x, y = x - region.x, y - region.y
    x0, x1 = max(math.ceil(x - t * w), 0), min(math.floor(x + t * w) + 1, region.width)
    y0, y1 = max(math.ceil(y - t * h), 0), min(math.floor(y + t * h) + 1, region.height)
    return Region(x=x0, y=y0, width=max(x1 - x0, 0), height=max(y1 - y0, 0))


def _region(width: int, height: int, mask: SoftMask, back: Rows, scale: float) -> Region:
    """Return where the part of the crop that shows lies in the frame, with a pixel of margin."""
    left, top, columns, rows = mask.bounds
    if columns == 0 or rows == 0:
        return _NOWHERE
    # A pixel that shows reaches half way into its neighbours, and a shrunk crop's pixels further.
    reach = max(1.0, scale)
    x0, x1 = left - reach, left + columns - 1 + reach
    y0, y1 = top - reach, top + rows - 1 + reach
    # In Python's own numbers: eight of them are no work for arrays.
    span = []
    for (a, b, c), most in zip(back, (width, height), strict=True):
        places = (
            a * x0 + b * y0 + c,
            a * x0 + b * y1 + c,
            a * x1 + b * y0 + c,
            a * x1 + b * y1 + c,
        )
        first = min(max(math.floor(min(places)), 0), most)
        span.append((first, min(max(math.ceil(max(places)) + 1, first), most)))
    (x, right), (y, bottom) = span
    return Region(x=x, y=y, width=right - x, height=bottom - y)


def _packed(
    picture: NDArray[np.uint8], mask: SoftMask, there: Rows
) -> tuple[NDArray[np.uint8], Rows]:
    """Pack colour times mask, and 255 minus mask, into one picture of four channels.

    Colour that is multiplied beforehand leaves one product and one sum per pixel of the region.
    A crop that will shrink by two or more is shrunk here first, by averaging.
    """
    size = picture.shape[0]
    # The fourth channel is 255 before, and after it what is kept of the frame.
    wide = cast(NDArray[np.uint8], cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA))
    packed = product(wide, mask.factors, 255)
    scale = enlarges(there)
    if scale <= 1 / _ALIASING_SCALE:
        return packed, there
    # By a power of two, as the crop was cut out: means of whole pixels come out alike everywhere.
    small = max(2, size >> int(math.log2(scale)))
    shrunk = cast(NDArray[np.uint8], cv2.resize(packed, (small, small), interpolation=_AREA))
    # Nothing may show at the border, or the warp would cut it off.
    clear_border(shrunk, _NOTHING)
    # The centre of small pixel u lies at (u + 0.5) * size / small - 0.5 in the crop.
    less, shift = small / size, 0.5 * small / size - 0.5
    (a, b, c), (d, e, f) = there
    return shrunk, ((a * less, b * less, c * less + shift), (d * less, e * less, f * less + shift))


def put_back(
    frame: NDArray[np.uint8],
    crop: Crop,
    picture: NDArray[np.uint8],
    mask: NDArray[np.float32],
    within: NDArray[np.float32] | None = None,
) -> Region:
    """Feather the mask, match the colours, and paste: what a swap does with a model's output.

    Args:
        frame: uint8 (H, W, 3) BGR, contiguous and writable; changed inside the region only.
        crop: The crop that the model was given.
        picture: uint8 (S, S, 3) BGR, from the model.
        mask: float32 (S, S) in [0, 1], from the model.
        within: The same, where maskers see face; None for everywhere.

    Returns:
        The region that was touched.

    Raises:
        UsageError: The frame cannot be written to in place.
    """
    soft = softened(mask if within is None else mask * within)
    picture = match_colour(as_grey_as(crop.picture, picture), soft.seam, crop.picture)
    return paste(frame, picture, soft, crop.matrix)


def lay_over(
    frame: NDArray[np.uint8],
    crop: Crop,
    picture: NDArray[np.uint8],
    mask: NDArray[np.float32],
    within: NDArray[np.float32] | None = None,
) -> Region:
    """Composite a face with the frame's own pixels: `put_back` for a model whose mask is exact.

    The model saw, and put into its picture, the target in the few pixels of its crop. That share is
    taken out again, and the frame's pixels stand there instead: skin keeps its pores. The model
    has learnt the colours of its edges, so none are matched.

    Args:
        frame: uint8 (H, W, 3) BGR, contiguous and writable; changed inside the region only.
        crop: The crop that the model was given.
        picture: uint8 (S, S, 3) BGR, from the model.
        mask: float32 (S, S) in [0, 1], from the model: how much of each pixel is no target.
        within: The same, where maskers see face; None for everywhere.

    Returns:
        The region that was touched.

    Raises:
        UsageError: The frame cannot be written to in place.
    """
    share = levels(mask)
    kept = cv2.bitwise_not(share)
    target = product(crop.picture, cast(NDArray[np.uint8], cv2.merge((kept, kept, kept))), 255)
    face = cast(NDArray[np.uint8], cv2.subtract(as_grey_as(crop.picture, picture), target))
    return paste(frame, face, faded(share, within), crop.matrix)
