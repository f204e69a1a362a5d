"""From a histogram to the range that is worth its quantization steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["entropy_threshold", "percentile_range"]

LEVELS = 128
"""Steps of eight bits on one side of zero."""

_STRIDE = 8  # bins between the thresholds that are tried: at most 240 of them
_MOST_CLIPPED = 0.01  # share of the values; see `entropy_threshold`
_TINY = 1e-12  # stands for zero in a logarithm

Floats = NDArray[np.float64]


def percentile_range(
    counts: NDArray[np.int64], edge: float, percentile: float
) -> tuple[float, float]:
    """Return the range that holds a share of all values, with as many left out on either side.

    Args:
        counts: int64 (N,) values per bin of a histogram from -edge to edge.
        edge: Where the histogram ends.
        percentile: Share of the values that lie inside, in percent, above 0 and up to 100.

    Returns:
        The lower and the upper end, each placed inside its bin as if that were filled evenly.
    """
    total = int(counts.sum())
    edges = np.linspace(-edge, edge, len(counts) + 1)
    if total == 0:
        return 0.0, 0.0
    below = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    left = total * (100.0 - percentile) / 200.0
    # Where nothing lies, the curve is flat: the ends of a flat part are told apart by the side.
    low_bin = int(np.searchsorted(below, left, side="right")) - 1
    high_bin = int(np.searchsorted(below, total - left, side="left")) - 1
    low = _inside(edges, below, min(low_bin, len(counts) - 1), left)
    high = _inside(edges, below, max(high_bin, 0), total - left)
    return low, high


def _inside(edges: Floats, below: Floats, index: int, wanted: float) -> float:
    share = (wanted - below[index]) / (below[index + 1] - below[index])
    return float(edges[index] + share * (edges[index + 1] - edges[index]))


def entropy_threshold(counts: NDArray[np.int64], edge: float) -> float:
    """Return the magnitude to clip at so that eight bits keep most of what a tensor says.

    This is TensorRT's calibration: for thresholds from 128 bins up, the distribution of magnitudes
    that is clipped there is compared with the same in 128 steps, and the threshold of the smallest
    Kullback-Leibler divergence wins. The bin of zeros is taken to be as full as its neighbour:
    every step represents zero exactly, and the many zeros behind a ReLU would decide alone. And no
    threshold may clip more than one value in a hundred: where values are few and far from zero, the
    divergence of next to nothing is the smallest of all.

    Args:
        counts: int64 (N,) values per bin of a histogram from -edge to edge; N is even.
        edge: Where the histogram ends.

    Returns:
        A magnitude of at most `edge`.
    """
    half = len(counts) // 2
    magnitudes = (counts[half:] + counts[:half][::-1]).astype(np.float64)
    magnitudes[0] = magnitudes[1]
    filled = np.flatnonzero(magnitudes)
    if not len(filled) or filled[-1] < LEVELS:
        return edge
    last = int(filled[-1]) + 1
    total = np.concatenate([[0.0], np.cumsum(magnitudes)])
    enough = int(np.searchsorted(total, total[-1] * (1 - _MOST_CLIPPED)))
    tried = [*range(max(LEVELS, enough), last, _STRIDE), last]
    seen = np.concatenate([[0.0], np.cumsum(magnitudes > 0)])
    divergences = [_divergence(magnitudes, total, seen, stop) for stop in tried]
    return float(edge * tried[int(np.argmin(divergences))] / half)


def _divergence(magnitudes: Floats, total: Floats, seen: Floats, stop: int) -> float:
    """Return the divergence between the bins below `stop` and the same in `LEVELS` steps."""
    inner = magnitudes[:stop]
    reference = inner.copy()
    reference[-1] += total[-1] - total[stop]  # what is clipped ends up at the threshold
    bounds = np.arange(LEVELS + 1) * stop // LEVELS
    mass = np.diff(total[bounds])
    places = np.diff(seen[bounds])
    level = np.divide(mass, places, out=np.zeros(LEVELS), where=places > 0)
    coarse = np.where(inner > 0, np.repeat(level, np.diff(bounds)), 0.0)
    if coarse.sum() == 0:
        return float("inf")
    p, q = reference / reference.sum(), coarse / coarse.sum()
    at = p > 0
    return float(np.sum(p[at] * np.log(p[at] / np.maximum(q[at], _TINY))))
