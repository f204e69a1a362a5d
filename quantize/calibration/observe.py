"""Running statistics of one tensor: what is kept of each value that flows through it.

The histogram is symmetric, with a power of two as its edge. When a larger value comes, the edge
doubles and neighbouring bins are joined in pairs; as every bin of the coarser histogram is exactly
two of the finer one, the counts are those that the last edge would have given from the start. So
one pass over the data is enough, and the order of the samples does not matter.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from quantize.errors import CalibrationError

__all__ = ["BINS", "Observer"]

BINS = 4096
"""Bins of a histogram, over both signs: at least a thousand lie below the largest magnitude."""

MOST_COUNTED = 1 << 18
"""Values of one sample that enter a histogram: every k-th of a larger tensor, evenly. A percentile
of 99.99 over 32 samples still rests on 400 values beyond either end."""

_SMALLEST_EXPONENT = -100  # of an edge: below 2**-100, values count as zero
_CHANNEL_RANKS = (2, 4)  # (N, C) and (N, C, H, W)


class Observer:
    """What has been seen of one tensor.

    Attributes:
        low: Smallest value.
        high: Largest value.
        counts: int64 (4096,) values per bin, from -edge to edge; of at most a quarter of a million
            values per sample.
        edge: Where the histogram ends; a power of two above all magnitudes.
        lows: float32 (C,) smallest value per channel (axis 1), for 2-D and 4-D tensors, else None.
        highs: float32 (C,) largest value per channel.
    """

    def __init__(self, name: str) -> None:
        """Start with nothing seen of the tensor `name`."""
        self.name = name
        self.low = math.inf
        self.high = -math.inf
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.edge = 2.0**_SMALLEST_EXPONENT
        self.lows: NDArray[np.float32] | None = None
        self.highs: NDArray[np.float32] | None = None
        self._sums: NDArray[np.float64] | None = None
        self._seen = 0  # values per channel

    @property
    def means(self) -> NDArray[np.float32] | None:
        """Mean per channel, float32 (C,); None where `lows` is."""
        return None if self._sums is None else (self._sums / self._seen).astype(np.float32)

    def add(self, array: NDArray[np.floating]) -> None:
        """Look at the values of one sample.

        Args:
            array: Of any shape and float type.

        Raises:
            CalibrationError: A value is no number, or too large for float32.
        """
        if array.size == 0:
            return
        values = np.ascontiguousarray(array, np.float32)
        low, high = self._extremes(values)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise CalibrationError(
                f"tensor '{self.name}' holds values that are no numbers or beyond float32: "
                "the model is broken, or its inputs are not what it was trained on"
            )
        self._grow(max(-low, high))
        self.low, self.high = min(self.low, low), max(self.high, high)
        # An odd step: an even one would see only some columns of a picture.
        step = -(-values.size // MOST_COUNTED) | 1
        part = np.ascontiguousarray(values.reshape(1, -1)[:, ::step])
        found = cv2.calcHist([part], [0], None, [BINS], [-self.edge, self.edge])
        self.counts += found.reshape(-1).astype(np.int64)

    def _extremes(self, values: NDArray[np.float32]) -> tuple[float, float]:
        """Return the smallest and the largest value; keep those of each channel."""
        if values.ndim not in _CHANNEL_RANKS:
            return float(values.min()), float(values.max())
        rows = values.reshape(*values.shape[:2], -1)
        lows, highs = rows.min(axis=(0, 2)), rows.max(axis=(0, 2))
        # Rows are summed in pairs in float32, which is exact enough and four times as fast.
        with np.errstate(over="ignore", invalid="ignore"):
            sums = rows.sum(axis=2).sum(axis=0, dtype=np.float64)
        if not np.isfinite(sums).all():  # of values that are all float32 and near its end
            sums = rows.sum(axis=(0, 2), dtype=np.float64)
        if self.lows is None or self.highs is None or self._sums is None:
            self.lows, self.highs, self._sums = lows, highs, sums
        else:
            self.lows = np.minimum(self.lows, lows)
            self.highs = np.maximum(self.highs, highs)
            self._sums = self._sums + sums
        self._seen += rows.shape[0] * rows.shape[2]
        return float(lows.min()), float(highs.max())

    def _grow(self, magnitude: float) -> None:
        """Double the edge until it lies above a magnitude; the last bin leaves its own edge out."""
        # Nothing so far, or zeros alone: those lie in the same bin whatever the edge.
        if self.low >= 0 >= self.high:
            exponent = math.frexp(magnitude)[1]  # magnitude = m * 2**exponent with m below 1
            self.edge = 2.0 ** max(exponent, _SMALLEST_EXPONENT)
        while magnitude >= self.edge:
            joined = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : BINS // 4 + BINS // 2] = joined
            self.edge *= 2
