from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quantize.calibrate import Ranges
from quantize.errors import CalibrationError
from quantize.int8_ranges import (
    activation_ranges,
    behind,
    input_scale,
    least_error,
    squared_error,
)
from quantize.passes._infra.graph import Graph
from tests.quantize.graphs import Sketch
from tests.quantize.int8_cases import calibrated, chain, recipe

Histogram = tuple[NDArray[np.int64], float]


def _histogram(values: NDArray[np.float64]) -> tuple[Histogram, tuple[float, float]]:
    edge = float(2.0 ** np.ceil(np.log2(np.abs(values).max() + 1e-9)))
    counts, _ = np.histogram(values, bins=4096, range=(-edge, edge))
    return (counts.astype(np.int64), edge), (float(values.min()), float(values.max()))


def _same(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x


def test_the_squared_error_is_that_of_rounding() -> None:
    centres = np.array([-1.0, -0.26, 0.0, 0.24, 0.9, 5.0])
    counts = np.array([1.0, 1, 1, 2, 1, 1])
    # Four steps of 0.5 from -1 to 1: -0.26 becomes -0.5, 0.24 becomes 0, 0.9 becomes 1.
    rounding = 0.24**2 + 2 * 0.24**2 + 0.1**2
    error = squared_error(counts[:5], centres[:5], _same, (-1.0, 1.0), 4)
    assert error == pytest.approx(rounding)
    clipped = squared_error(counts, centres, _same, (-1.0, 1.0), 4)
    assert clipped == pytest.approx(rounding + 16 * 16.0)


def test_a_far_outlier_is_clipped_and_a_near_one_is_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1_000_000)
    (counts, edge), ends = _histogram(np.append(values, 300.0))
    many = counts * 1000
    many[np.flatnonzero(counts)[-1]] = 1  # one of a thousand million
    low, high = least_error((many, edge), ends, _same, symmetric=False)
    assert 4 < high < 60
    assert 0.65 * ends[0] > low >= ends[0]
    near, ends = _histogram(np.append(rng.uniform(-1, 1, 1000), 1.3))
    assert least_error(near, ends, _same, symmetric=False)[1] == pytest.approx(1.3)


def test_what_the_activation_function_flattens_gets_fewer_steps() -> None:
    values = np.random.default_rng(1).standard_normal(100_000)
    histogram, ends = _histogram(values)

    def leaky(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(x < 0, 0.05 * x, x)

    plain = least_error(histogram, ends, _same, symmetric=False)
    flat = least_error(histogram, ends, leaky, symmetric=False)
    assert flat[0] > 0.9 * plain[0]  # less far below zero
    assert flat[1] == pytest.approx(plain[1], rel=0.1)
    # Saturated on both sides: far out nothing is seen any more.
    wide, ends = _histogram(40 * values)
    assert least_error(wide, ends, np.tanh, symmetric=False)[1] < 0.3 * ends[1]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    shift=st.floats(-3, 3),
    scale=st.floats(1e-3, 1e3),
    symmetric=st.booleans(),
)
def test_it_is_never_worse_than_all_that_was_seen(
    seed: int, shift: float, scale: float, symmetric: bool
) -> None:
    values = scale * (np.random.default_rng(seed).standard_normal(2000) + shift)
    histogram, ends = _histogram(values)
    low, high = least_error(histogram, ends, _same, symmetric=symmetric)
    reach = max(-ends[0], ends[1])
    seen = (-reach, reach) if symmetric else (min(ends[0], 0.0), max(ends[1], 0.0))
    assert seen[0] <= low <= 0 <= high <= seen[1]
    if symmetric:
        assert low == -high
    counts, edge = histogram
    width = 2 * edge / len(counts)
    centres = np.clip(-edge + width * (np.arange(len(counts)) + 0.5), *seen)
    weights = counts.astype(np.float64)
    assert squared_error(weights, centres, _same, (low, high), 255) <= squared_error(
        weights, centres, _same, seen, 255
    )


def test_nothing_but_zeros() -> None:
    counts = np.zeros(4096, np.int64)
    counts[2048] = 5
    assert least_error((counts, 1.0), (0.0, 0.0), _same, symmetric=False) == (0.0, 0.0)
    assert input_scale((0.0, 0.0), recipe()) == 1.0


@pytest.mark.parametrize(
    ("kind", "below", "above"),
    [
        ("Relu", 0.0, 3.0),
        ("LeakyRelu", -0.6, 3.0),
        ("Tanh", np.tanh(-3.0), np.tanh(3.0)),
        ("Sigmoid", 1 / (1 + np.exp(3.0)), 1 / (1 + np.exp(-3.0))),
        ("Abs", -3.0, 3.0),  # not among the known ones
    ],
)
def test_the_function_behind_a_value(kind: str, below: float, above: float) -> None:
    s = Sketch()
    attrs = {"alpha": 0.2} if kind == "LeakyRelu" else {}
    s.op(kind, s.conv(s.input("x", 1, 4, 4, 4), 4, 4), output="y", **attrs)
    graph = Graph(s.model("y"))
    seen = behind(graph, "v0")(np.array([-3.0, 3.0]))
    np.testing.assert_allclose(seen, [below, above])


def test_one_slope_stands_for_those_of_all_channels() -> None:
    s = Sketch()
    slopes = s.keep([[[0.3]], [[0.1]]])
    s.op("PRelu", s.conv(s.input("x", 1, 4, 4, 4), 4, 2), slopes, output="y")
    seen = behind(Graph(s.model("y")), "v0")(np.array([-1.0, 2.0]))
    np.testing.assert_allclose(seen, [-np.sqrt(0.05), 2.0])


def test_a_value_that_is_read_twice_is_seen_as_it_is() -> None:
    s = Sketch()
    y = s.conv(s.input("x", 1, 4, 4, 4), 4, 4)
    s.op("Add", s.op("Relu", y), y, output="y")
    assert behind(Graph(s.model("y")), "v0")(np.array([-3.0]))[0] == -3.0


def test_one_range_on_both_sides_of_what_moves_values() -> None:
    model = chain("Conv", "Pad", "Conv", "LeakyRelu", "Pad", "Conv")
    graph = Graph(model)
    ranges = calibrated(model)
    values = ["x", "v0", "v1", "v2", "v4", "v5"]
    ends = activation_ranges(graph, values, ranges, recipe(method="minmax"))
    assert ends["v1"] == ends["v0"]  # a quantized value, padded
    assert ends["v4"] == ranges.minmax["v4"]  # padded from a float one
    assert all(low <= 0 <= high for low, high in ends.values())


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_the_methods_of_calibration(method: str) -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    ranges = calibrated(model)
    how = recipe(method=method, percentile=99.0)
    ends = activation_ranges(Graph(model), ["v1"], ranges, how)
    low, high = ranges.of("v1", method, 99.0)  # type: ignore[arg-type]
    assert ends == {"v1": (min(low, 0.0), max(high, 0.0))}


def test_ranges_of_another_model_are_refused() -> None:
    model = chain("Conv")
    for method in ("mse", "minmax"):
        with pytest.raises(CalibrationError, match="nothing was measured of tensor 'x'"):
            activation_ranges(Graph(model), ["x"], Ranges({}, {}), recipe(method=method))


@pytest.mark.parametrize(
    ("name", "ends", "scale"),
    [
        ("x86_cpu", (-1.0, 1.55), 0.01),
        ("raspberry_pi", (0.0, 2.55), 0.01),
        ("jetson", (-0.5, 1.27), 0.01),
    ],
)
def test_the_scale_of_an_activation(name: str, ends: tuple[float, float], scale: float) -> None:
    assert input_scale(ends, recipe(name)) == pytest.approx(scale)
