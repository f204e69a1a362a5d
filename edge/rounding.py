"""Steps on pictures that come out alike on every processor, bit for bit.

OpenCV and NumPy promise no more than nearness, and their kernels differ between processors (OpenCV
5.0, x86-64 with AVX2 and 64-bit ARM):

* `cv2.multiply` with a scale rounds on x86 and cuts off on ARM, and halves are rounded differently.
* `cv2.warpAffine` fuses multiplication and addition where it fills a vector, and not in the columns
  that are left over.
* `cv2.resize` with INTER_LINEAR has other weights on ARM; INTER_LINEAR_EXACT has the same.
* Float32 blurs, float32 INTER_AREA and matrix products add up in an order of their own.

What is left is exact: whole numbers, also in float64 where they stay below 2^53, and what IEEE 754
rounds: one sum, product, quotient or root at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = 32
"""The widest vector that a warp fills: AVX-512 has 32 numbers of 16 bits."""

_PLACES = 16
"""Places to a pixel: no detector is as exact, and float32 kernels differ by far less."""

_WEIGHTS = 4096.0
"""Sum of the whole numbers that a Gaussian's weights are rounded to."""

_TRUNCATE = 3.0
"""Sigmas that a Gaussian reaches to either side."""


def product(one: NDArray[np.uint8], other: NDArray[np.uint8], divisor: int) -> NDArray[np.uint8]:
    """Return `one * other / divisor`, rounded to the nearest level and cut off at 255.

    Args:
        one: uint8, any shape.
        other: uint8, the same shape.
        divisor: Odd, so that no quotient lies half-way between two levels.
    """
    if _opencv_rounds():  # in one go, which takes a fifth of the time
        return cast("NDArray[np.uint8]", cv2.multiply(one, other, scale=1 / divisor))
    whole = cv2.multiply(one, other, dtype=cv2.CV_16U)
    return cast("NDArray[np.uint8]", cv2.convertScaleAbs(whole, alpha=1 / divisor))


@cache
def _opencv_rounds() -> bool:
    """Return whether OpenCV's product with a scale is rounded on this processor."""
    grid = np.arange(256, dtype=np.uint8)[None].repeat(256, axis=0)
    found = cv2.multiply(grid, np.ascontiguousarray(grid.T), scale=1 / 255)
    exact = np.outer(np.arange(256.0), np.arange(256.0)) / 255
    return bool(np.abs(found - exact).max() < 0.51)


def warp(
    picture: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    flags: int,
    border: int,
    fill: tuple[int, ...] = (),
) -> NDArray[np.uint8]:
    """Return what `cv2.warpAffine` makes of a picture.

    Args:
        picture: uint8 (H, W) or (H, W, C).
        matrix: float64 (2, 3).
        size: Width and height of the result.
        flags: As OpenCV takes them: how is interpolated, and which way the matrix goes.
        border: As OpenCV takes it: what is outside the picture.
        fill: Values outside it, for a border that is constant.

    Returns:
        uint8 (height, width) or (height, width, C); its rows may lie apart.
    """
    width, height = size
    full = -(-width // _COLUMNS) * _COLUMNS
    done = cv2.warpAffine(
        picture, matrix, (full, height), flags=flags, borderMode=border, borderValue=fill
    )
    return cast("NDArray[np.uint8]", done[:, :width])


def transformed(matrix: NDArray[np.float64], points: NDArray[Any]) -> NDArray[np.float64]:
    """Return points taken through a map.

    Args:
        matrix: float64 (2, 3).
        points: float (N, 2) x, y.

    Returns:
        float64 (N, 2).
    """
    given = np.asarray(points, np.float64)
    across, down = given[:, :1] * matrix[:, 0], given[:, 1:] * matrix[:, 1]
    return across + down + matrix[:, 2]


def placed(points: NDArray[Any]) -> NDArray[np.float32]:
    """Return what a model found, to the nearest sixteenth of a pixel.

    So two processors, whose float32 convolutions differ in their last bits, nearly always place a
    face alike.

    Args:
        points: float, pixels of the frame; any shape.

    Returns:
        float32, as `points`.
    """
    return cast("NDArray[np.float32]", (np.rint(points * _PLACES) / _PLACES).astype(np.float32))


@cache
def _gaussian(side: int, sigma: float) -> NDArray[np.float64]:
    """Return a blur along one axis as a matrix of whole numbers, float64 (N, N).

    Beyond the border the values are mirrored, the outermost one not repeated.
    """
    reach = round(sigma * _TRUNCATE)
    taps = np.rint(cv2.getGaussianKernel(2 * reach + 1, sigma)[:, 0] * _WEIGHTS)
    matrix = np.zeros((side, side))
    period = max(1, 2 * (side - 1))
    for row in range(side):
        for place, weight in enumerate(taps.tolist(), row - reach):
            folded = place % period
            matrix[row, min(folded, period - folded) if side > 1 else 0] += weight
    matrix.flags.writeable = False
    return matrix


def blurred(planes: NDArray[np.floating], sigma: float) -> NDArray[np.float64]:
    """Return planes of whole numbers blurred by a Gaussian, times the square of its weights' sum.

    Args:
        planes: float (C, S, S) that holds whole numbers below 2^24.
        sigma: Of the Gaussian, pixels.

    Returns:
        float64 (C, S, S) that holds whole numbers, every one exact.
    """
    count, side, _ = planes.shape
    weights = _gaussian(side, sigma)
    across = planes.reshape(-1, side).astype(np.float64) @ weights.T
    whole: NDArray[np.float64] = weights @ across.reshape(count, side, side)
    return whole
