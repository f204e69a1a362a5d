"""Which numbers half precision cannot hold: too large, or too small to keep their digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.calibrate import Ranges

__all__ = ["LARGEST", "SMALLEST_NORMAL", "activation_trouble", "overflow_trouble", "weight_trouble"]

LARGEST = 65504.0
SMALLEST_NORMAL = 2.0**-14  # below it, digits are lost
SMALLEST = 2.0**-25  # below it, a value becomes 0

_HEADROOM = 4.0  # calibration sees a few pictures, not all
_MOSTLY = 0.5  # share of the values
_LEAST_SIGNAL = 1e6  # power of a weight over that of its rounding: 60 dB; ordinary ones keep 73


def activation_trouble(ranges: Ranges, name: str) -> str:
    """Say what half precision would do to a computed value; empty when nothing.

    Args:
        ranges: what calibration saw.
        name: of the value; one that was not measured is in no trouble.
    """
    if name not in ranges.minmax:
        return ""
    peak = max(map(abs, ranges.minmax[name]))
    if peak > LARGEST / _HEADROOM:
        return f"reaches {peak:.3g}, and half precision ends at {LARGEST:.0f}"
    if 0 < peak < SMALLEST_NORMAL or _mostly_tiny(*ranges.histograms.get(name, (None, 0.0))):
        return f"is mostly below {SMALLEST_NORMAL:.2g}, where half precision loses digits"
    return ""


def _mostly_tiny(counts: NDArray[np.int64] | None, edge: float) -> bool:
    """Return whether most values that are not 0 lie where half precision loses digits."""
    if counts is None or edge <= 0:
        return False
    half = len(counts) // 2
    inner = min(half, int(SMALLEST_NORMAL * half / edge))
    # The two bins at 0 hold exact zeros too, so they say nothing.
    outside = int(counts[: half - 1].sum() + counts[half + 1 :].sum())
    tiny = int(counts[half - inner : half - 1].sum() + counts[half + 1 : half + inner].sum())
    return inner > 1 and tiny > _MOSTLY * outside


def weight_trouble(value: NDArray[Any]) -> str:
    """Say what half precision would do to a float32 weight of any shape; empty when nothing."""
    size = np.abs(value[np.isfinite(value)])
    size = size[size > 0]
    overflow = overflow_trouble(size)
    if overflow or not size.size:
        return overflow
    flushed = np.count_nonzero(size < SMALLEST) / size.size
    if flushed > _MOSTLY:
        return f"would become 0 for {flushed:.0%} of its values"
    if float(size.min()) >= SMALLEST_NORMAL:
        return ""  # every digit count is the usual one
    lost = size - size.astype(np.float16).astype(np.float32)
    if _power(size) < _LEAST_SIGNAL * _power(lost):
        return f"is mostly below {SMALLEST_NORMAL:.2g}, where half precision loses digits"
    return ""


def overflow_trouble(value: NDArray[Any]) -> str:
    """Say whether a float32 weight of any shape overflows; infinite values may, on purpose."""
    size = np.abs(value[np.isfinite(value)])
    peak = float(size.max(initial=0))
    return f"reaches {peak:.3g}, and half precision ends at {LARGEST:.0f}" if peak > LARGEST else ""


def _power(values: NDArray[Any]) -> float:
    return float(np.square(values, dtype=np.float64).sum())
