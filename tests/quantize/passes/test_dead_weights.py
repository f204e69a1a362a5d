"""Taps that see nothing but padding go."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quantize.passes import DeadWeights
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, rewritten, weight_sizes


def _model(
    size: tuple[int, int], kernel: int, pads: list[int], stride: int = 1, dilation: int = 1
) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 4, *size)
    attrs = {"pads": pads, "strides": [stride] * 2, "dilations": [dilation] * 2, "group": 2}
    s.op("Relu", s.conv(x, 4, 6, kernel, **attrs), output="output")
    return s.model("output")


def _kernel(model: onnx.ModelProto) -> tuple[int, ...]:
    weights = next(shape for shape in weight_sizes(model).values() if len(shape) == 4)
    return weights[2:]


@pytest.mark.parametrize(
    ("size", "kernel", "pad", "left"),
    [
        ((1, 1), 3, 1, (1, 1)),
        ((1, 8), 3, 1, (1, 3)),
        ((2, 2), 7, 3, (3, 3)),
        ((1, 1), 5, 2, (1, 1)),
    ],
)
def test_what_is_left(size: tuple[int, int], kernel: int, pad: int, left: tuple[int, int]) -> None:
    model = rewritten(_model(size, kernel, [pad] * 4), DeadWeights()).model
    assert _kernel(model) == left
    assert_settled(model, DeadWeights())


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 5),
    st.lists(st.integers(0, 4), min_size=4, max_size=4),
    st.integers(1, 2),
    st.integers(1, 2),
)
def test_any_geometry(
    size: tuple[int, int], kernel: int, pads: list[int], stride: int, dilation: int
) -> None:
    span = (kernel - 1) * dilation + 1
    assume(all(n + pads[i] + pads[i + 2] >= span for i, n in enumerate(size)))
    model = rewritten(_model(size, kernel, pads, stride, dilation), DeadWeights()).model
    assert_settled(model, DeadWeights())


@pytest.mark.parametrize(
    ("size", "kernel", "pad"), [((4, 4), 3, 1), ((1, 1), 1, 0), ((3, 3), 3, 0)]
)
def test_nothing_dead(size: tuple[int, int], kernel: int, pad: int) -> None:
    assert_untouched(_model(size, kernel, [pad] * 4), DeadWeights())


def test_open_sizes_are_left_alone() -> None:
    s = Sketch()
    x = s.input("x", 1, 2, "h", "w")
    s.op("Relu", s.conv(x, 2, 2), output="output")
    assert_untouched(s.model("output"), DeadWeights())
