"""Running statistics: one pass gives what all values at once would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quantize.calibration import observe
from quantize.calibration.observe import BINS, Observer
from quantize.errors import CalibrationError


def _observed(*arrays: NDArray[np.floating]) -> Observer:
    observer = Observer("x")
    for array in arrays:
        observer.add(array)
    return observer


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**16), st.floats(-12, 12), st.integers(1, 200)),
        min_size=1,
        max_size=4,
    )
)
def test_growing_the_histogram_loses_nothing(parts: list[tuple[int, float, int]]) -> None:
    arrays = [
        (np.random.default_rng(seed).standard_normal(size) * 2.0**scale).astype(np.float32)
        for seed, scale, size in parts
    ]
    observer = _observed(*arrays)
    values = np.concatenate(arrays)
    edge = observer.edge
    expected, _ = np.histogram(values, BINS, range=(-edge, edge))
    np.testing.assert_array_equal(observer.counts, expected)
    assert np.abs(values).max() < edge
    assert edge <= 2 * np.abs(values).max()
    assert (observer.low, observer.high) == (values.min(), values.max())


def test_the_order_of_the_samples_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal((1, 4, 5, 5)).astype(np.float32) * k for k in (1, 30, 0.01)]
    first, second = _observed(*arrays), _observed(*arrays[::-1])
    np.testing.assert_array_equal(first.counts, second.counts)
    assert first.edge == second.edge


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_nor_does_it_where_nothing_flows_at_first(scale: float) -> None:
    values = np.random.default_rng(1).standard_normal((1, 4, 5, 5)).astype(np.float32) * scale
    none = np.zeros_like(values)
    first, second = _observed(none, none, values), _observed(values, none, none)
    np.testing.assert_array_equal(first.counts, second.counts)
    assert first.edge == second.edge <= 2 * np.abs(values).max()


def test_values_whose_sum_is_beyond_float32() -> None:
    observer = _observed(np.full((1, 2, 4, 4), 3e38, np.float32))
    assert observer.means is not None
    np.testing.assert_allclose(observer.means, 3e38)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 3, 4, 5), (4, 3)])
def test_channels(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    arrays = [rng.standard_normal(shape).astype(np.float32) for _ in range(3)]
    observer = _observed(*arrays)
    rows = np.concatenate([np.moveaxis(array, 1, 0).reshape(3, -1) for array in arrays], axis=1)
    assert observer.lows is not None
    assert observer.means is not None
    np.testing.assert_array_equal(observer.lows, rows.min(axis=1))
    np.testing.assert_array_equal(observer.highs, rows.max(axis=1))
    np.testing.assert_allclose(observer.means, rows.mean(axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4)])
def test_other_ranks_have_no_channels(shape: tuple[int, ...]) -> None:
    observer = _observed(np.full(shape, 2.0, np.float32))
    assert observer.lows is None
    assert observer.means is None
    assert (observer.low, observer.high) == (2.0, 2.0)
    assert observer.counts.sum() == np.prod(shape, dtype=int)


def test_a_large_tensor_is_thinned_out_but_its_ends_are_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observe, "MOST_COUNTED", 1000)
    values = np.zeros(10_000, np.float32)
    values[1234], values[4321] = -3, 5
    observer = _observed(values)
    assert (observer.low, observer.high) == (-3, 5)
    assert 800 <= observer.counts.sum() <= 1000


def test_zeros_alone() -> None:
    observer = _observed(np.zeros((1, 2, 3, 3), np.float32))
    assert (observer.low, observer.high) == (0, 0)
    assert observer.counts.sum() == 18
    observer.add(np.full((1, 2, 3, 3), 1.5, np.float32))
    assert observer.counts.sum() == 36
    assert observer.edge == 2


def test_half_precision_is_taken() -> None:
    assert _observed(np.array([1.5, -0.25], np.float16)).high == 1.5


def test_an_empty_tensor_says_nothing() -> None:
    observer = _observed(np.zeros((1, 0, 3, 3), np.float32))
    assert observer.counts.sum() == 0
    assert observer.low > observer.high


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    values = np.ones((1, 3, 4, 4), np.float32)
    values[0, 1, 2, 3] = bad
    with pytest.raises(CalibrationError, match="'x' holds values that are no numbers"):
        _observed(values)
