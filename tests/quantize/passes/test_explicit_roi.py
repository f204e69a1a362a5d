"""Every Resize names its region of interest."""

from __future__ import annotations

import onnx

from quantize.passes import ExplicitRoi
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, doubled, rewritten


def _model(count: int) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 2, 4, 4)
    for index in range(count):
        x = doubled(s, x, "nearest" if index else "linear")
    s.op("Neg", x, output="output")
    return s.model("output")


def test_one_empty_tensor_for_all() -> None:
    model = rewritten(_model(2), ExplicitRoi()).model
    names = {node.input[1] for node in model.graph.node if node.op_type == "Resize"}
    assert names == {"empty_roi"}
    assert_settled(model, ExplicitRoi())


def test_an_empty_tensor_that_is_there_is_shared() -> None:
    model = rewritten(_model(2), ExplicitRoi()).model
    next(node for node in model.graph.node if node.op_type == "Resize").input[1] = ""
    model = rewritten(model, ExplicitRoi()).model
    assert [t.name for t in model.graph.initializer if 0 in t.dims] == ["empty_roi"]


def test_nothing_to_do() -> None:
    assert_untouched(_model(0), ExplicitRoi())
