"""Compute what a graph always computes, once, and store the result."""

from __future__ import annotations

import math

import onnx
from onnx import helper, numpy_helper

from quantize.passes._infra.engine import run_model
from quantize.passes._infra.graph import Graph

# They draw anew on each run.
_RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}
# They write more than they read: storing a large result costs more than making it.
_GROWING = {"ConstantOfShape", "EyeLike", "Expand", "Range", "Resize", "Tile"}
_LARGEST_GROWN = 1 << 14  # elements

# Quantized weights must stay behind their DequantizeLinear.
_KEPT = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}


def foldable(graph: Graph) -> list[onnx.NodeProto]:
    """Return the nodes that depend on stored values alone, in running order.

    1. Random and quantizing nodes stay.
    2. Nodes of other domains stay: nobody knows whether they always give the same. So does the
       Identity by which a constant becomes an output.
    3. A node that blows a small value up (Expand, Tile, ...) stays unless its result is small.
    """
    fixed: set[str] = {""}
    nodes = []
    for node in graph.nodes:
        if node.op_type == "Constant" or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in _RANDOM | _KEPT:
            continue
        if not all(name in fixed or graph.is_constant(name) for name in node.input):
            continue
        if node.op_type == "Identity" and node.output[0] in graph.outputs:
            continue  # a constant output: a node must make it
        if node.op_type in _GROWING:
            shape = graph.static_shape(node.output[0])
            if shape is None or math.prod(shape) > _LARGEST_GROWN:
                continue
        nodes.append(node)
        fixed.update(node.output)
    return nodes


def _stored_inputs(graph: Graph, nodes: list[onnx.NodeProto]) -> list[onnx.TensorProto]:
    made = {name for node in nodes for name in node.output}
    names = {name for node in nodes for name in node.input if name and name not in made}
    tensors = []
    for name in sorted(names):
        value = graph.constant(name)
        assert value is not None
        tensors.append(numpy_helper.from_array(value, name))
    return tensors


def fold_constants(graph: Graph) -> bool:
    """Store the results of all nodes that `foldable` finds; return whether there were any.

    The nodes are run together by ONNX Runtime, and only what the rest of the graph reads is stored.
    """
    nodes = foldable(graph)
    if not nodes:
        return False
    inside = {id(node) for node in nodes}
    needed = [
        name
        for node in nodes
        for name in node.output
        if name
        and (name in graph.outputs or any(id(user) not in inside for user in graph.users(name)))
    ]
    if needed:
        values = [helper.make_empty_tensor_value_info(name) for name in needed]
        body = helper.make_graph(nodes, "fixed", [], values, _stored_inputs(graph, nodes))
        imports = list(graph.model.opset_import)
        part = helper.make_model(
            body, opset_imports=imports, ir_version=max(graph.model.ir_version, 4)
        )
        results = run_model(part, [{}])[0]
    graph.remove(*nodes)
    for name in needed:
        if name in graph.outputs:
            # An output must be made by a node: engines differ in whether a constant will do.
            graph.add("Identity", [graph.store(results[name], name)], output=name)
        else:
            graph.keep(name, results[name])
    return True
