from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.errors import GraphError
from quantize.opset import with_opset
from quantize.passes import draw_feeds
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.model import opset_of
from tests.quantize.graphs import Sketch, reflect_conv


def _old(opset: int) -> onnx.ModelProto:
    """Operators whose axes became inputs with opset 13, weights large and small, and an emap."""
    s = Sketch(opset=opset)
    x, source = s.input("target", 1, 3, 32, 32), s.input("source", 1, 512)
    y = s.op("LeakyRelu", reflect_conv(s, x, 3, 16, 7), alpha=0.2)
    y = s.op("Relu", s.conv(y, 16, 64, 5))
    style = s.op("Gemm", source, s.noise(64, 512), s.noise(64), transB=1)
    style = s.op("Unsqueeze", style, axes=[2, 3])
    y = s.op("Add", y, style, output="wide")
    s.op("Squeeze", s.op("ReduceSum", y, axes=[2, 3], keepdims=1), axes=[2, 3], output="sums")
    s.noise(64, 512)
    s.stored[-1].name = "emap"
    return s.model("wide", "sums")


@pytest.mark.parametrize("opset", [11, 12])
def test_an_older_model_computes_the_same_with_newer_operators(opset: int) -> None:
    model = _old(opset)
    model.metadata_props.add(key="who", value="nobody")
    model.graph.node[1].name = "kept"
    before = model.SerializeToString(deterministic=True)

    raised = with_opset(model, 13)

    assert model.SerializeToString(deterministic=True) == before
    assert opset_of(raised) == 13
    onnx.checker.check_model(raised, full_check=True)
    assert [value.name for value in raised.graph.input] == ["target", "source"]
    assert {t.name for t in model.graph.initializer} <= {t.name for t in raised.graph.initializer}
    names = [node.name for node in raised.graph.node]
    assert "kept" in names
    assert all(names)
    assert len(set(names)) == len(names)
    assert raised.metadata_props[0].key == "who"
    feeds = draw_feeds(model)
    for old, new in zip(run_model(model, feeds), run_model(raised, feeds), strict=True):
        for name, value in old.items():
            np.testing.assert_array_equal(value, new[name])


def test_a_new_enough_model_is_returned_itself() -> None:
    s = Sketch(opset=17)
    s.op("Relu", s.input("x", 1, 3), output="y")
    model = s.model("y")
    assert with_opset(model, 13) is model


def test_what_cannot_be_converted_is_said() -> None:
    model = _old(12)
    with pytest.raises(GraphError, match=r"opset 12 cannot be raised to 99: export the model"):
        with_opset(model, 99)
