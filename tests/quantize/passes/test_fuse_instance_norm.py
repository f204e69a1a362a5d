"""All the spellings of instance norm become one operator, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import FuseInstanceNorm
from tests.quantize.graphs import (
    TOPOLOGIES,
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    decomposed_norm,
    kinds,
    rewritten,
)

CHANNELS, SIDE = 3, 5
EPSILON = 1e-5


def _pooled(s: Sketch, x: str) -> str:
    return s.op("GlobalAveragePool", x)


def _restored(s: Sketch, x: str) -> str:
    return s.op("Unsqueeze", s.mean(x, keepdims=0), s.ints(2, 3))


def _summed(s: Sketch, x: str) -> str:
    total = s.op("ReduceSum", x, s.ints(3, 2), keepdims=1)
    return s.op("Div", total, s.keep(float(SIDE * SIDE)))


def _negative(s: Sketch, x: str) -> str:
    if s.opset < 18:
        return s.op("ReduceMean", x, axes=[-1, -2], keepdims=1)
    return s.op("ReduceMean", x, s.ints(-2, -1))


MEANS: dict[str, Callable[[Sketch, str], str]] = {
    "reduced": lambda s, x: s.mean(x),
    "pooled": _pooled,
    "restored": _restored,
    "summed": _summed,
    "negative": _negative,
}
CENTRED: dict[str, Callable[[Sketch, str, str], str]] = {
    "sub": lambda s, x, m: s.op("Sub", x, m),
    "neg": lambda s, x, m: s.op("Add", s.op("Neg", m), x),
}
SQUARES: dict[str, Callable[[Sketch, str, str], str]] = {
    "mul": lambda s, c, again: s.op("Mul", c, c),
    "pow": lambda s, c, again: s.op("Pow", c, s.keep(2.0)),
    "twice": lambda s, c, again: s.op("Mul", c, again),
}
ENDS: dict[str, Callable[[Sketch, str, str], str]] = {
    "div": lambda s, c, v: s.op("Div", c, s.op("Sqrt", v)),
    "reciprocal": lambda s, c, v: s.op("Mul", s.op("Reciprocal", s.op("Sqrt", v)), c),
    "one_by": lambda s, c, v: s.op("Mul", c, s.op("Div", s.keep([1.0]), s.op("Sqrt", v))),
    "half": lambda s, c, v: s.op("Div", c, s.op("Pow", v, s.keep(0.5))),
    "minus_half": lambda s, c, v: s.op("Mul", c, s.op("Pow", v, s.keep(-0.5))),
}


def _finished(s: Sketch, y: str) -> onnx.ModelProto:
    s.op("Relu", y, output="output")
    return s.model("output")


def _assert_fused(model: onnx.ModelProto, **expected: int) -> onnx.ModelProto:
    model = rewritten(model, FuseInstanceNorm()).model
    assert kinds(model) == {"InstanceNormalization", "Relu", *expected}
    assert count(model, "InstanceNormalization") == 1
    for kind, number in expected.items():
        assert count(model, kind) == number
    assert_settled(model, FuseInstanceNorm())
    return model


@given(
    st.sampled_from(sorted(MEANS)),
    st.sampled_from(sorted(CENTRED)),
    st.sampled_from(sorted(SQUARES)),
    st.sampled_from(sorted(ENDS)),
    st.sampled_from([13, 17, 18, 20]),
    st.booleans(),
)
def test_spellings(
    mean: str, centre: str, square: str, end: str, opset: int, epsilon_first: bool
) -> None:
    s = Sketch(opset)
    x = s.input("x", 1, CHANNELS, SIDE, SIDE)
    c = CENTRED[centre](s, x, MEANS[mean](s, x))
    again = CENTRED[centre](s, x, MEANS[mean](s, x))
    variance = MEANS[mean](s, SQUARES[square](s, c, again))
    epsilon = s.keep(EPSILON)
    pair = (epsilon, variance) if epsilon_first else (variance, epsilon)
    y = ENDS[end](s, c, s.op("Add", *pair))
    model = _assert_fused(_finished(s, y))
    node = next(node for node in model.graph.node if node.op_type != "Relu")
    assert onnx.helper.get_attribute_value(node.attribute[0]) == pytest.approx(EPSILON)


def test_mean_of_squares_less_square_of_mean() -> None:
    s = Sketch()
    x = s.input("x", 1, CHANNELS, SIDE, SIDE)
    m = s.mean(x)
    v = s.op("Sub", s.mean(s.op("Mul", x, x)), s.op("Mul", m, m))
    y = s.op("Div", s.op("Sub", x, m), s.op("Sqrt", s.op("Add", v, s.keep(EPSILON))))
    _assert_fused(_finished(s, y))


def test_unbiased_estimate() -> None:
    s, n = Sketch(), SIDE * SIDE
    x = s.input("x", 1, CHANNELS, SIDE, SIDE)
    c = s.op("Sub", x, s.mean(x))
    v = s.op("Div", s.op("Mul", s.mean(s.op("Mul", c, c)), s.keep(float(n))), s.keep(n - 1.0))
    y = s.op("Div", c, s.op("Sqrt", s.op("Add", v, s.keep(0.1))))
    model = _assert_fused(_finished(s, y))
    scale = onnx.numpy_helper.to_array(model.graph.initializer[0])
    np.testing.assert_allclose(scale, np.sqrt((n - 1) / n), rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 2])
def test_statistics_of_places_in_one_row(batch: int) -> None:
    s, n = Sketch(), SIDE * SIDE
    x = s.input("x", batch, CHANNELS, SIDE, SIDE)
    row, column = s.ints(batch, CHANNELS, -1), s.ints(batch, CHANNELS, 1, 1)
    flat = s.op("Reshape", x, row)
    m = s.op("ReduceMean", flat, axes=[2], keepdims=1)
    c = s.op("Sub", flat, m)
    v = s.op("ReduceMean", s.op("Mul", c, c), axes=[2], keepdims=0)
    v = s.op("Div", s.op("Mul", v, s.keep(float(n))), s.keep(n - 1.0))
    root = s.op("Reshape", s.op("Sqrt", s.op("Add", v, s.keep(EPSILON))), column)
    again = s.op("ReduceMean", s.op("Reshape", x, row), axes=[2], keepdims=0)
    y = s.op("Div", s.op("Sub", x, s.op("Reshape", again, column)), root)
    _assert_fused(_finished(s, y))


def test_columns_that_do_not_line_up() -> None:
    s = Sketch()
    x = s.input("x", 4, 4, 4, 4)
    c = s.op("Sub", x, s.mean(x, keepdims=0))  # (4, 4) meets the last two axes
    v = s.mean(s.op("Mul", c, c))
    y = s.op("Div", c, s.op("Sqrt", s.op("Add", v, s.keep(EPSILON))))
    assert_untouched(_finished(s, y), FuseInstanceNorm())


def test_sum_of_squares() -> None:
    s = Sketch()
    x = s.input("x", 1, CHANNELS, SIDE, SIDE)
    c = s.op("Sub", x, s.mean(x))
    total = s.op("ReduceSumSquare", c, axes=[2, 3])
    v = s.op("Mul", total, s.keep(1 / (SIDE * SIDE)))
    y = s.op("Div", c, s.op("Sqrt", s.op("Add", v, s.keep(EPSILON))))
    _assert_fused(_finished(s, y))


@pytest.mark.parametrize("shape", [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1,), ()])
def test_constant_style_is_taken_in(shape: tuple[int, ...]) -> None:
    s = Sketch()
    y = decomposed_norm(s, s.input("x", 1, CHANNELS, SIDE, SIDE), EPSILON)
    y = s.op("Add", s.keep(s.rng.random(shape)), s.op("Mul", y, s.keep(s.rng.random(shape))))
    _assert_fused(_finished(s, y))


def test_other_styles_stay_behind() -> None:
    s = Sketch()
    y = decomposed_norm(s, s.input("x", 1, CHANNELS, SIDE, SIDE), EPSILON)
    y = s.op("Mul", y, s.input("gamma", 1, CHANNELS, 1, 1))
    _assert_fused(_finished(s, s.op("Add", y, s.noise(CHANNELS, 1, SIDE))), Mul=1, Add=1)


def test_a_norm_that_is_read_twice_keeps_its_followers() -> None:
    s = Sketch()
    norm = decomposed_norm(s, s.input("x", 1, CHANNELS, SIDE, SIDE), EPSILON)
    y = s.op("Add", s.op("Mul", norm, s.noise(CHANNELS, 1, 1)), norm)
    _assert_fused(_finished(s, y), Mul=1, Add=1)


def test_sequences_are_normalised_too() -> None:
    s = Sketch()
    x = s.input("x", 1, CHANNELS, 7)
    m = s.op("ReduceMean", x, axes=[2])
    c = s.op("Sub", x, m)
    v = s.op("ReduceMean", s.op("Mul", c, c), axes=[-1])
    y = s.op("Div", c, s.op("Sqrt", s.op("Add", v, s.keep(EPSILON))))
    _assert_fused(_finished(s, y))


def _left_alone(kind: str) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, CHANNELS, SIDE, SIDE)
    axes: dict[str, Any] = {"axes": [1, 2, 3] if kind == "layer" else [2, 3]}
    c = s.op("Sub", x, s.op("ReduceMean", x, **axes))
    v = s.op("ReduceMean", s.op("Mul", c, c), **axes)
    if kind == "no square":
        v = s.op("ReduceMean", s.op("Abs", c), **axes)
    if kind == "outside":
        root = s.op("Add", s.op("Sqrt", v), s.keep(EPSILON))
    elif kind == "clipped":
        root = s.op("Sqrt", s.op("Max", v, s.keep(EPSILON)))
    else:
        root = s.op("Sqrt", s.op("Add", v, s.keep(EPSILON)))
    return _finished(s, s.op("Div", x if kind == "not centred" else c, root))


@pytest.mark.parametrize("kind", ["layer", "no square", "outside", "clipped", "not centred"])
def test_what_is_something_else(kind: str) -> None:
    assert_untouched(_left_alone(kind), FuseInstanceNorm())


def test_inswapper() -> None:
    model = rewritten(TOPOLOGIES["inswapper"](), FuseInstanceNorm()).model
    assert count(model, "InstanceNormalization") == 4
    assert not kinds(model) & {"ReduceMean", "Sqrt", "Reciprocal", "Sub"}
