"""Hear the watermark's waves: straighten a picture, flatten what is its own, fold its tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge.provenance.watermark.pattern import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.provenance.watermark.search import Geometry

STEP = 2
"""Nominal pixels per sample: the shortest wave, 11 pixels, is still 5.5 samples long."""

SIDE = TILE // STEP
"""Samples along the tile."""

_AROUND = 7  # samples of a side in which contrast is measured: small, or edges drown what is beside
_FAINT = 2.0  # levels squared: what is fainter counts for less
_BORDER = 6  # samples at the edge of a turned picture that the filters mix with nothing


def halved(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a picture of nominal scale, uint8 (H, W), at `STEP` pixels per sample."""
    height, width = luma.shape
    size = (max(1, width // STEP), max(1, height // STEP))
    # An odd last row or column is left out, so that a sample is exactly STEP pixels.
    even = luma[: size[1] * STEP, : size[0] * STEP]
    return cv2.resize(even, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def flattened(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a picture in which calm parts, where the mark is clearer, weigh more than lively ones.

    Args:
        luma: float32 (H, W), `STEP` nominal pixels per sample.
    """
    high = luma - cv2.GaussianBlur(luma, (0, 0), 2.0)
    power = cv2.boxFilter(high * high, -1, (_AROUND, _AROUND))
    return cast("NDArray[np.float32]", high / np.sqrt(power + _FAINT))


def straightened(luma: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Return a flattened picture whose tiles' sides lie along the axes.

    Args:
        luma: float32 (H, W), as it came.
        geometry: How it lies on the mark's raster.

    Returns:
        float32 at `STEP` nominal pixels per sample; 0 where there is no picture.
    """
    height, width = luma.shape
    step = STEP * geometry.scale
    cosine, sine = np.cos(geometry.turn), np.sin(geometry.turn)
    size = (
        max(1, int(np.ceil((width * cosine + height * abs(sine)) / step))),
        max(1, int(np.ceil((height * cosine + width * abs(sine)) / step))),
    )
    turn = step * np.array([[cosine, -sine], [sine, cosine]])
    offset = np.array([width - 1, height - 1]) / 2 - turn @ (np.array(size) - 1) / 2
    matrix = np.column_stack([turn, offset])
    if step > 1:  # what is finer than the samples must not fold into the mark's band
        luma = cast("NDArray[np.float32]", cv2.GaussianBlur(luma, (0, 0), 0.4 * step))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    even = cv2.warpAffine(luma, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    flat = flattened(cast("NDArray[np.float32]", even))
    if abs(geometry.turn) < 1e-4:
        return flat
    solid = np.ones((height, width), np.uint8)
    mask = cv2.warpAffine(solid, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    inside = cv2.erode(mask, np.ones((2 * _BORDER + 1, 2 * _BORDER + 1), np.uint8))
    return cast("NDArray[np.float32]", flat * inside)


def folded(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return all tiles added up: float32 (96, 96).

    Args:
        flat: float32 (H, W), `STEP` nominal pixels per sample, the tiles' sides along the axes.
    """
    height, width = flat.shape
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    padded = np.zeros((rows * SIDE, columns * SIDE), np.float32)
    padded[:height, :width] = flat
    tile: NDArray[np.float32] = padded.reshape(rows, SIDE, columns, SIDE).sum((0, 2))
    return tile
