"""Lookups and edits of a graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from quantize.errors import GraphError
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import count_operators, in_running_order, opset_of
from tests.quantize.graphs import Sketch, kinds


def _model() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    y = s.op("Relu", s.op("Mul", x, s.keep(2.0)))
    s.op("Add", y, s.op("Constant", value_floats=[1.0]), output="output")
    return s.model("output")


def test_lookups() -> None:
    graph = Graph(_model())
    assert (graph.inputs, graph.outputs, graph.opset) == (("x",), ("output",), 17)
    assert graph.shape("v1") == (1, 3, 4, 4)
    assert graph.static_shape("output") == (1, 3, 4, 4)
    assert graph.shape("nothing") is None
    assert graph.scalar("k0") == 2
    assert graph.scalar("v2") == 1
    assert graph.scalar("x") is None
    assert graph.constant("x") is None
    assert graph.is_constant("v2")
    assert graph.dtype("v1") == np.float32
    assert [node.op_type for node in graph.users("v0")] == ["Relu"]
    assert graph.only_user("output") is None
    assert graph.maker("v1", "Mul") is None


def test_no_edit_no_change() -> None:
    model = _model()
    before = model.SerializeToString()
    graph = Graph(model)
    graph.shape("v1")
    assert graph.finish().SerializeToString() == before


def test_edits_wait_for_finish() -> None:
    model = _model()
    before = model.SerializeToString()
    graph = Graph(model)
    relu = graph.maker("v1", "Relu")
    assert relu is not None
    graph.remove(relu)
    graph.add("Neg", ["v0"], output="v1")
    graph.set_attributes(graph.nodes[0], {"axis": None})
    assert not graph.holds(relu)
    assert model.SerializeToString() == before
    assert kinds(graph.finish()) == {"Mul", "Neg", "Add", "Constant"}
    onnx.checker.check_model(model, full_check=True)


def test_what_was_unused_before_is_kept() -> None:
    model = _model()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(3), "emap"))
    graph = Graph(model)
    graph.redirect("v0", "x")
    graph.finish()
    assert [tensor.name for tensor in model.graph.initializer] == ["emap"]
    assert kinds(model) == {"Relu", "Add", "Constant"}


@pytest.mark.parametrize("source", ["x", "k0", "v1"])
def test_an_output_keeps_its_name(source: str) -> None:
    model = _model()
    graph = Graph(model)
    last = graph.maker("output")
    assert last is not None
    graph.remove(last)
    graph.redirect("output", source)
    graph.finish()
    assert [value.name for value in model.graph.output] == ["output"]
    assert ("Identity" in kinds(model)) == (source != "v1")


def test_names_do_not_clash() -> None:
    graph = Graph(_model())
    assert graph.new_name("v0") == "v0_1"
    assert graph.store(np.zeros(2), "v0") == "v0_2"
    assert graph.add("Neg", ["x"], hint="x") == "x_neg"
    assert graph.add("Neg", ["x"], hint="x") == "x_neg_1"


def test_scalars_stay_scalars() -> None:
    graph = Graph(_model())
    name = graph.store(np.array(3.0, np.float32), "three")
    assert graph.shape(name) == ()
    value = graph.constant(name)
    assert value is not None
    assert value.shape == ()


def test_running_order() -> None:
    nodes = [
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Neg", ["b"], ["c"]),
        helper.make_node("Neg", ["a"], ["b"]),
    ]
    assert [node.output[0] for node in in_running_order(nodes)] == ["b", "c", "d"]
    with pytest.raises(GraphError, match="cycle"):
        in_running_order([*nodes, helper.make_node("Neg", ["d"], ["a"])])


def test_models_that_cannot_be_rewritten() -> None:
    model = _model()
    del model.opset_import[:]
    with pytest.raises(GraphError, match="does not say which opset"):
        opset_of(model)
    model = _model()
    imports = [helper.make_opsetid("", 17)]
    neg = [helper.make_node("Neg", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "twice", ["a"], ["b"], neg, imports))
    with pytest.raises(GraphError, match="defines its own function 'twice': inline it first"):
        Graph(model)


def test_counting() -> None:
    assert count_operators(_model()) == {"Mul": 1, "Relu": 1, "Constant": 1, "Add": 1}


def test_nothing_is_given_for_an_input() -> None:
    with pytest.raises(GraphError, match="nothing was given for input 'x'"):
        run_model(_model(), [{}])
