from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from quantize.engine import Engine
from quantize.errors import GraphError
from quantize.naming import shorten_names


def _chain(layers: int, names: list[str]) -> onnx.ModelProto:
    """Return y = x quantized, and multiplied `layers` times, with these names inside."""
    scale = numpy_helper.from_array(np.array(0.02, np.float32), "the_scale_of_the_first_tensor")
    zero = numpy_helper.from_array(np.array(3, np.uint8), "the_zero_point_of_the_first_tensor")
    inside = ["q", "dq", *names[:layers]]
    nodes = [
        helper.make_node("QuantizeLinear", ["0", scale.name, zero.name], ["q"], name="round"),
        helper.make_node("DequantizeLinear", ["q", scale.name, zero.name], ["dq"], name="back"),
    ]
    factors = []
    for number in range(layers):
        factors.append(
            numpy_helper.from_array(np.array(1.1 + number, np.float32), f"factor_{number}")
        )
        last = "y" if number == layers - 1 else inside[number + 2]
        before = inside[number + 1]
        nodes.append(
            helper.make_node("Mul", [before, factors[-1].name], [last], name=f"layer_{number}")
        )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("0", TensorProto.FLOAT, [4])], [value("y", TensorProto.FLOAT, [4])],
        initializer=[scale, zero, *factors], value_info=[value("dq", TensorProto.FLOAT, [4])],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


_FEEDS = {"0": np.array([0.1, 0.7, 1.9, 3.0], np.float32)}


@given(st.lists(st.text("0123abc_", min_size=1, max_size=3), unique=True, min_size=4, max_size=8))
def test_the_model_stays_the_same_whatever_its_names_were(names: list[str]) -> None:
    taken = {"0", "y", "q", "dq"}
    model = _chain(len(names), [name if name not in taken else name + "_" * 4 for name in names])
    before = Engine(model).run(_FEEDS)["y"]
    shorten_names(model)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(Engine(model).run(_FEEDS)["y"], before)


def test_inputs_outputs_and_layers_keep_their_names() -> None:
    model = _chain(3, ["first", "second", "third"])
    size = model.ByteSize()
    shorten_names(model)
    assert [value.name for value in model.graph.input] == ["0"]
    assert [value.name for value in model.graph.output] == ["y"]
    assert [node.name for node in model.graph.node] == ["", "", "layer_0", "layer_1", "layer_2"]
    inner = {name for node in model.graph.node for name in (*node.input, *node.output)} - {"0", "y"}
    assert max(map(len, inner)) == 1
    assert "0" not in {tensor.name for tensor in model.graph.initializer}  # that is the input
    assert model.graph.value_info[0].name in inner
    assert model.ByteSize() < size - 60


def test_an_absent_input_stays_absent() -> None:
    clip = helper.make_node("Clip", ["x", "", "highest"], ["y"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [clip], "g", [value("x", TensorProto.FLOAT, [2])], [value("y", TensorProto.FLOAT, [2])],
        initializer=[numpy_helper.from_array(np.array(1, np.float32), "highest")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    shorten_names(model)
    assert list(model.graph.node[0].input) == ["x", "", "0"]


def test_subgraphs_are_refused() -> None:
    model = _chain(1, ["a"])
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(
        helper.make_node("If", ["a"], ["b"], then_branch=inner, else_branch=inner)
    )
    with pytest.raises(GraphError, match="subgraph"):
        shorten_names(model)
