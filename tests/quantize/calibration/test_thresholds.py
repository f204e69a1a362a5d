"""Ranges from a histogram, against numpy's percentiles and ONNX Runtime's calibrators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quantize.calibration.observe import Observer
from quantize.calibration.thresholds import entropy_threshold, percentile_range

Floats = NDArray[np.float32]


def _seen(values: Floats) -> Observer:
    observer = Observer("x")
    observer.add(values)
    return observer


def _normal(size: int = 100_000) -> Floats:
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.floats(50, 100), st.floats(-3, 3))
def test_percentile_is_numpys_within_a_bin(seed: int, percentile: float, shift: float) -> None:
    values = (np.random.default_rng(seed).standard_normal(20_000) + shift).astype(np.float32)
    seen = _seen(values)
    got = percentile_range(seen.counts, seen.edge, percentile)
    out = (100 - percentile) / 2
    width = seen.edge / 2048
    # Where values are sparse, the two ends of a gap are both right.
    ordered = np.sort(values)
    for end, position in zip(got, (out, 100 - out), strict=True):
        place = position / 100 * (len(values) - 1)
        low = ordered[max(0, int(np.floor(place)) - 1)] - 2 * width
        high = ordered[min(len(values) - 1, int(np.ceil(place)) + 1)] + 2 * width
        assert low <= end <= high


def test_percentile_as_onnx_runtime_has_it() -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    values = np.maximum(_normal(), -0.2).astype(np.float32)
    seen = _seen(values)
    collector = calibrate.HistogramCollector("percentile", False, 4096, 128, 99.9, "same")
    edges = np.linspace(-seen.edge, seen.edge, 4097, dtype=np.float32)
    collector.histogram_dict["x"] = (seen.counts, edges, values.min(), values.max(), seen.edge)
    low, high, *_ = collector.compute_percentile()["x"]
    got = percentile_range(seen.counts, seen.edge, 99.9)
    # Theirs is an edge of the bin in which ours lies, and no lower than the smallest value.
    assert max(got[0], values.min()) == pytest.approx(low, abs=seen.edge / 2048)
    assert got[1] == pytest.approx(high, abs=seen.edge / 2048)


def test_a_hundred_percent_is_everything() -> None:
    values = _normal(1000)
    seen = _seen(values)
    low, high = percentile_range(seen.counts, seen.edge, 100)
    width = seen.edge / 2048
    assert values.min() - width <= low <= values.min()
    assert values.max() <= high <= values.max() + width


def test_an_empty_histogram_has_no_range() -> None:
    counts = np.zeros(4096, np.int64)
    assert percentile_range(counts, 4.0, 99) == (0, 0)
    assert entropy_threshold(counts, 4.0) == 4.0


def _theirs(calibrate: Any, values: Floats, bins: int) -> float:
    top = float(np.abs(values).max())
    counts, edges = np.histogram(values, bins, range=(-top, top))
    collector = calibrate.HistogramCollector("entropy", False, bins, 256, 99.99, "same")
    histogram = (counts, edges.astype(np.float32), values.min(), values.max(), np.float32(top))
    low, high = collector.get_entropy_threshold(histogram, 256)
    return float(max(-low, high))


@pytest.mark.parametrize(
    ("values", "bins"),  # theirs takes seconds for as many bins as ours
    [
        (_normal(), 512),
        (np.random.default_rng(1).laplace(size=100_000).astype(np.float32), 512),
        (np.append(_normal(), np.float32(20)), 2048),
    ],
    ids=["normal", "laplace", "outlier"],
)
def test_entropy_as_onnx_runtime_has_it(values: Floats, bins: int) -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    seen = _seen(values)
    ours = entropy_threshold(seen.counts, seen.edge)
    top = float(np.abs(values).max())
    # Theirs counts in coarser bins, and where distributions are this near the optimum is flat: so
    # the same magnitude, but not the same number.
    assert 0.5 < min(ours, top) / _theirs(calibrate, values, bins) < 2
    assert ours > np.percentile(np.abs(values), 99)


def test_entropy_cuts_a_lone_outlier_off() -> None:
    values = np.append(_normal(), np.float32(60))
    seen = _seen(values)
    assert 3 < entropy_threshold(seen.counts, seen.edge) < 12


def test_entropy_does_not_drown_in_zeros() -> None:
    seen = _seen(np.maximum(_normal(), 0).astype(np.float32))
    assert entropy_threshold(seen.counts, seen.edge) > 3


def test_entropy_keeps_few_values_far_from_zero() -> None:
    values = np.random.default_rng(3).uniform(0.55, 1.03, 300).astype(np.float32)
    seen = _seen(values)
    assert entropy_threshold(seen.counts, seen.edge) >= np.percentile(values, 98)
