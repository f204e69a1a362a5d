"""A convolution with few outputs computes four rows at once."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.passes import FewOutputs
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, count, rewritten

WIDTH = 16
PLACED = ["Reshape", "Transpose", "Reshape"]


def _model(
    outputs: int = 3,
    k: int = 3,
    size: tuple[int, int] = (8, 6),
    activation: str = "Sigmoid",
    width: int = WIDTH,
    **attrs: Any,
) -> onnx.ModelProto:
    s = Sketch()
    x = s.conv(s.input("x", 1, width, *size), width, outputs, k, **attrs)
    x = s.op(activation, x) if activation else x
    s.op("Neg", x, output="y")
    return s.model("y")


@settings(max_examples=20, deadline=None)
@given(
    st.integers(2, 4),
    st.integers(3, 5),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.tuples(st.integers(6, 12), st.integers(6, 9)),
    st.sampled_from(["", "Sigmoid", "Tanh", "Relu", "LeakyRelu"]),
)
def test_it_computes_the_same(
    outputs: int, k: int, pads: tuple[int, ...], size: tuple[int, int], activation: str
) -> None:
    height = size[0] + pads[0] + pads[2] - k + 1
    model = _model(outputs, k, size, activation, pads=list(pads))
    if height % 4:
        assert_untouched(model, FewOutputs())
        return
    found = rewritten(model, FewOutputs())
    assert found.steps[0].changed
    assert found.difference <= 1e-5
    conv = next(node for node in found.model.graph.node if node.op_type == "Conv")
    kernel = next(t for t in found.model.graph.initializer if t.name == conv.input[1])
    assert list(kernel.dims) == [4 * outputs, WIDTH, k + 3, k]
    kinds = [node.op_type for node in found.model.graph.node]
    # The activation sees the values before the rows find their places.
    assert kinds == ["Conv", *([activation] if activation else []), *PLACED, "Neg"]
    assert_settled(found.model, FewOutputs())


def test_without_a_bias_and_not_square() -> None:
    s = Sketch()
    x = s.op("Conv", s.input("x", 1, WIDTH, 8, 7), s.noise(2, WIDTH, 3, 5), pads=[1, 2, 1, 2])
    s.op("Neg", x, output="y")
    found = rewritten(s.model("y"), FewOutputs())
    assert found.difference <= 1e-5
    assert count(found.model, "Transpose") == 1


def test_an_output_of_the_model_keeps_its_name() -> None:
    s = Sketch()
    s.op("Tanh", s.conv(s.input("x", 1, WIDTH, 4, 4), WIDTH, 3), output="y")
    found = rewritten(s.model("y"), FewOutputs())
    assert found.model.graph.node[-1].op_type == "Reshape"
    assert found.model.graph.node[-1].output[0] == "y"


def test_an_activation_that_is_not_alone_stays() -> None:
    s = Sketch()
    x = s.conv(s.input("x", 1, WIDTH, 4, 4), WIDTH, 3)
    s.op("Tanh", x, output="y")
    s.op("Neg", x, output="z")
    found = rewritten(s.model("y", "z"), FewOutputs())
    assert [node.op_type for node in found.model.graph.node][:4] == ["Conv", *PLACED]


@pytest.mark.parametrize(
    "options",
    [
        {"outputs": 1},
        {"outputs": 5},
        {"k": 1},
        {"width": 12},
        {"size": (6, 8)},
        {"strides": [2, 2]},
        {"dilations": [2, 2], "pads": [2] * 4},
        {"group": 2, "outputs": 4},
    ],
    ids=["one", "five", "1x1", "blocks not full", "height", "stride", "dilation", "groups"],
)
def test_left_alone(options: dict[str, Any]) -> None:
    assert_untouched(_model(**options), FewOutputs())


def test_computed_weights_are_left_alone() -> None:
    s = Sketch()
    x, weight = s.input("x", 1, WIDTH, 4, 4), s.input("weight", 3, WIDTH, 3, 3)
    s.op("Conv", x, weight, pads=[1] * 4, output="y")
    assert_untouched(s.model("y"), FewOutputs())
