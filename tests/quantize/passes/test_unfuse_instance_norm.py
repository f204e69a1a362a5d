"""Instance norm written out, and fused again."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import FuseInstanceNorm, UnfuseInstanceNorm
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, count, kinds, rewritten


def _model(shape: tuple[int, ...], opset: int = 17, *, plain: bool = False) -> onnx.ModelProto:
    s = Sketch(opset)
    x = s.input("x", *shape)
    channels = shape[1]
    scale = s.keep([1.0] * channels) if plain else s.noise(channels)
    bias = s.keep([0.0] * channels) if plain else s.noise(channels)
    y = s.op("InstanceNormalization", x, scale, bias, epsilon=1e-3)
    s.op("Relu", y, output="output")
    return s.model("output")


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.integers(1, 4),
    st.sampled_from([13, 18]),
)
def test_shapes(sides: list[int], channels: int, opset: int) -> None:
    model = rewritten(_model((2, channels, *sides), opset), UnfuseInstanceNorm()).model
    assert "InstanceNormalization" not in kinds(model)
    assert_settled(model, UnfuseInstanceNorm())


def test_neutral_styles_are_left_out() -> None:
    model = rewritten(_model((1, 3, 4, 4), plain=True), UnfuseInstanceNorm()).model
    assert count(model, "Mul") == 1
    assert count(model, "Add") == 1


@pytest.mark.parametrize("opset", [13, 20])
def test_there_and_back(opset: int) -> None:
    model = _model((1, 3, 6, 6), opset)
    model = rewritten(model, UnfuseInstanceNorm(), FuseInstanceNorm()).model
    assert kinds(model) == {"InstanceNormalization", "Relu"}


def test_styles_from_outside() -> None:
    s = Sketch()
    x, scale, bias = s.input("x", 1, 3, 4, 4), s.input("scale", 3), s.input("bias", 3)
    s.op("InstanceNormalization", x, scale, bias, output="output")
    model = rewritten(s.model("output"), UnfuseInstanceNorm()).model
    assert count(model, "Reshape") == 2


def test_nothing_to_do() -> None:
    s = Sketch()
    s.op("Relu", s.input("x", 1, 3, 4, 4), output="output")
    assert_untouched(s.model("output"), UnfuseInstanceNorm())
