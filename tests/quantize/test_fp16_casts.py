"""Casts that are for nothing go, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import pytest
from onnx import TensorProto, helper

from quantize.fp16_casts import rename, tidy_casts

FULL, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def _model(
    nodes: list[onnx.NodeProto], types: Mapping[str, int], outputs: tuple[str, ...] = ("y",)
) -> onnx.ModelProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, types[name], [4])

    inner = [value(name) for name in types if name not in ("x", *outputs)]
    graph = helper.make_graph(
        nodes, "g", [value("x")], [value(name) for name in outputs], value_info=inner
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _cast(source: str, result: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], name=result, to=to)


def _op(kind: str, inputs: str, result: str) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [result], name=result)


def _chain(model: onnx.ModelProto) -> list[str]:
    return [f"{node.op_type} {' '.join(node.input)}>{node.output[0]}" for node in model.graph.node]


def test_down_and_up_again() -> None:
    types = {"x": FULL, "a": FULL, "b": HALF, "c": FULL, "y": FULL}
    nodes = [_op("Abs", "x", "a"), _cast("a", "b", HALF), _cast("b", "c", FULL)]
    model = _model([*nodes, _op("Neg", "c", "y")], types)
    assert tidy_casts(model, {}, {}) == 0
    assert _chain(model) == ["Abs x>a", "Neg a>y"]


def test_each_reader_had_a_cast_of_its_own() -> None:
    types = {"x": FULL, "a": HALF, "b": HALF, "c": HALF, "d": HALF, "e": HALF, "y": FULL}
    nodes = [
        _cast("x", "a", HALF),
        _cast("x", "b", HALF),
        _op("Abs", "a", "c"),
        _op("Neg", "b", "d"),
        _op("Add", "c d", "e"),
        _cast("e", "y", FULL),
    ]
    model = _model(nodes, types)
    assert tidy_casts(model, {}, {}) == 2
    names = {node.input[0] for node in model.graph.node if node.op_type in ("Abs", "Neg")}
    assert len(names) == 1
    assert model.graph.node[0].op_type == "Cast"


def test_an_output_keeps_its_name() -> None:
    types = {"x": FULL, "a": FULL, "b": HALF, "y": FULL, "z": FULL}
    nodes = [
        _op("Abs", "x", "a"),
        _cast("a", "b", HALF),
        _cast("b", "y", FULL),
        _cast("b", "z", FULL),
    ]
    model = _model(nodes, types, ("y", "z"))
    assert tidy_casts(model, {}, {}) == 0
    onnx.checker.check_model(model, full_check=True)
    assert _chain(model) == ["Abs x>y", "Identity y>z"]


def test_an_input_that_is_an_output() -> None:
    types = {"x": FULL, "a": HALF, "y": FULL}
    model = _model([_cast("x", "a", HALF), _cast("a", "y", FULL)], types)
    assert tidy_casts(model, {}, {}) == 0
    assert _chain(model) == ["Identity x>y"]


def test_identities_before_outputs_go() -> None:
    types = {"x": FULL, "inside": HALF, "b": HALF, "y": FULL}
    nodes = [
        _cast("x", "c", HALF),
        _op("Abs", "c", "inside"),
        _op("Identity", "inside", "b"),
        _cast("b", "y", FULL),
    ]
    model = _model(nodes, {**types, "c": HALF})
    assert tidy_casts(model, {"inside": "y"}, {}) == 2
    assert [node.op_type for node in model.graph.node] == ["Cast", "Abs", "Cast"]


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.DOUBLE])
def test_other_casts_are_none_of_its_business(kind: int) -> None:
    types = {"x": FULL, "a": kind, "y": FULL}
    model = _model([_cast("x", "a", kind), _cast("a", "y", FULL)], types)
    assert tidy_casts(model, {}, {}) == 0
    assert _chain(model) == ["Cast x>a", "Cast a>y"]


def test_names_that_are_taken() -> None:
    types = {"x": FULL, "half_0": HALF, "b": HALF, "y": FULL}
    nodes = [_cast("x", "b", HALF), _op("Abs", "b", "half_0"), _cast("half_0", "y", FULL)]
    model = _model(nodes, types)
    tidy_casts(model, {}, {})
    onnx.checker.check_model(model, full_check=True)
    made = [node.output[0] for node in model.graph.node]
    assert len(set(made)) == len(made)


def test_rename() -> None:
    nodes = [_op("Add", "a a", "b"), _op("Neg", "b", "a2")]
    rename(nodes, {"a": "c", "b": "d"})
    assert [list(node.input) + list(node.output) for node in nodes] == [
        ["c", "c", "d"],
        ["d", "a2"],
    ]
