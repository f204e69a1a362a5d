from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantize.export.tflite.constants import Constants, whole
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.graph import Graph
from tests.quantize.graphs import Sketch


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_unsigned_numbers_become_signed_ones(kind: Any) -> None:
    limits = np.iinfo(kind)
    numbers = np.arange(limits.min, limits.max + 1).astype(kind)
    np.testing.assert_array_equal(whole(numbers), np.arange(-128, 128))
    assert whole(numbers).dtype == np.int8


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("centred", [True, False])
def test_what_dequantizelinear_makes(kind: Any, axis: int | None, centred: bool) -> None:
    s = Sketch()
    values = s.rng.integers(0, 100, (3, 4))
    count = () if axis is None else (values.shape[axis],)
    scale = s.keep(s.rng.uniform(0.1, 1, count))
    zeros = np.zeros(count) if kind is np.int32 else s.rng.integers(0, 9, count)
    parts = [s.keep(values, kind=kind), scale]
    if not centred:  # without a zero point it is 0, of whatever type
        parts.append(s.keep(zeros, kind=kind))
    given: dict[str, Any] = {} if axis is None else {"axis": axis}
    made = s.op("DequantizeLinear", *parts, **given)
    s.op("Add", s.input("x", 3, 4), made, output="y")
    model = s.model("y")
    constants = Constants(Graph(model))
    (expected,) = run_model(model, [{"x": np.zeros((3, 4), np.float32)}])
    np.testing.assert_array_equal(constants.array(made), expected["y"])
    stored = constants.int8(made)
    if kind is np.int32:
        assert stored is None
        return
    assert stored is not None
    shape = [1, 1]
    if axis is not None:
        assert stored.axis == axis % 2
        shape[axis] = -1
    moved = stored.load().astype(np.int64) - np.reshape(stored.zero_points, shape)
    real = moved.astype(np.float32) * np.float32(np.reshape(stored.scales, shape))
    np.testing.assert_array_equal(real, expected["y"])


def test_what_is_computed_is_not_constant() -> None:
    s = Sketch()
    x = s.input("x", 3)
    y = s.op("QuantizeLinear", x, s.keep(0.5), s.keep(0, kind=np.int8))
    z = s.op("DequantizeLinear", y, "k0", "k1", output="z")
    constants = Constants(Graph(s.model("z")))
    assert not any(constants.holds(name) for name in (x, y, z))
    assert constants.holds("k0")
    assert constants.int8(z) is None


def test_scales_that_are_computed_are_not_looked_into() -> None:
    s = Sketch()
    x = s.input("x", 3)
    scale = s.op("Abs", s.input("scale", 1))
    s.op("Relu", s.op("DequantizeLinear", s.op("QuantizeLinear", x, scale), scale), output="y")
    model = s.model("y")
    assert Constants(Graph(model)).scale_of(model.graph.node[1]) is None
