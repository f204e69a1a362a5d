"""A Resize behind computed weights gets a convolution of ones in front."""

from __future__ import annotations

import onnx
import pytest

from quantize.passes import BlockedResize
from tests.quantize.graphs import (
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    doubled,
    rewritten,
)

WIDTH = 16


def _model(
    width: int = WIDTH, mode: str = "linear", computed: bool = True, skip: bool = True
) -> onnx.ModelProto:
    s = Sketch()
    x, scale = s.input("x", 1, width, 4, 4), s.input("scale", 1, width, 1, 1)
    weight = s.noise(width, width, 1, 1)
    if computed:
        weight = s.op("Mul", weight, scale)
    value = s.op("Conv", x, weight)
    value = s.op("Add", value, x) if skip else value
    s.op("Neg", doubled(s, value, mode), output="y")
    s.op("Neg", scale, output="z")
    return s.model("y", "z")


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("skip", [True, False])
def test_it_computes_the_very_same(mode: str, skip: bool) -> None:
    found = rewritten(_model(mode=mode, skip=skip), BlockedResize())
    assert found.steps[0].changed
    assert found.difference == 0
    assert count(found.model, "Conv") == 2
    kinds = [node.op_type for node in found.model.graph.node]
    assert kinds[kinds.index("Resize") - 1] == "Conv"
    assert_settled(found.model, BlockedResize())


@pytest.mark.parametrize(
    "model",
    [_model(width=12), _model(mode="cubic"), _model(computed=False)],
    ids=["blocks not full", "cubic", "stored weights"],
)
def test_left_alone(model: onnx.ModelProto) -> None:
    assert_untouched(model, BlockedResize())


def test_an_input_that_is_enlarged_is_left_alone() -> None:
    s = Sketch()
    s.op("Neg", doubled(s, s.input("x", 1, WIDTH, 4, 4)), output="y")
    assert_untouched(s.model("y"), BlockedResize())
