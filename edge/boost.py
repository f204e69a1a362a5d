"""Pixel boost: swap a larger crop with a small model, by handing it every N-th pixel at a time.

A crop of N times the side is taken apart into N x N crops of the model's own size, each of which
shows the whole face, shifted by a fraction of a pixel; the model swaps each, and the results are
put together again the same way. It sharpens what the model gives, and costs N x N runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

MOST_BOOST = 8
LARGEST_CROP = 1024
"""Pixels of a crop's side beyond which a boost would only cost time and memory."""

Scalar = TypeVar("Scalar", bound=np.generic)


def check_boost(boost: int, size: int) -> None:
    """Check that a boost makes sense for a model.

    Args:
        boost: N.
        size: Side of the model's crop in pixels.

    Raises:
        UsageError: It is below 1, or the crop would become too large.
    """
    most = max(1, min(MOST_BOOST, LARGEST_CROP // size))
    if not 1 <= boost <= most:
        raise UsageError(
            f"--boost must be between 1 and {most} for a model of {size} pixels, not {boost}"
        )


def take_apart(picture: NDArray[Scalar], boost: int) -> list[NDArray[Scalar]]:
    """Take a picture apart into N x N interleaved ones, row by row.

    Args:
        picture: (S * N, S * N) or (S * N, S * N, C).
        boost: N.

    Returns:
        N * N contiguous arrays of (S, S) or (S, S, C); number i * N + j holds the pixels of rows
        i, i + N, .. and columns j, j + N, ...
    """
    if boost == 1:
        return [np.ascontiguousarray(picture)]
    return [
        np.ascontiguousarray(picture[row::boost, column::boost])
        for row in range(boost)
        for column in range(boost)
    ]


def put_together(parts: Sequence[NDArray[Scalar]], boost: int) -> NDArray[Scalar]:
    """Put interleaved pictures together again; the inverse of `take_apart`."""
    if boost == 1:
        return parts[0]
    first = parts[0]
    rows, columns, *rest = first.shape
    whole = np.empty((rows * boost, columns * boost, *rest), first.dtype)
    for number, part in enumerate(parts):
        whole[number // boost :: boost, number % boost :: boost] = part
    return whole
