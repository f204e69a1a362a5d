"""Weights in 8 bits, computation in float32: a quarter of the size, whatever the engine computes.

Each large weight of a convolution or matrix product is stored as int8 with one scale per output
channel, and a DequantizeLinear node makes the float32 weight of it.

What ONNX Runtime makes of that (1.32 and 1.23 on x86-64, one thread, the inswapper topology at a
quarter of its width): by default it keeps these nodes and runs them in each inference. The weights
stay 8-bit in memory, 71 MB instead of 154 MB for the session, and convolutions lose the blocked
layout, 1.28 times the time. With the session option `session.disable_quant_qdq` set to 1 it
computes the float32 weights once, when it loads the model: then time and memory are those of the
float model, and the file alone is small.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.int8_weights import channel_axis, quantize_weight
from quantize.modelfile import name_nodes
from quantize.opset import with_opset
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.shapes import check_model, tensor_bytes
from quantize.stored import assemble, constants_of, without_constants

__all__ = ["to_w8"]

_OPSET = 13  # the first whose DequantizeLinear takes a scale per channel
_LEAST_GAIN = 1024  # bytes; below it a node more is not worth it
_NODE = 200  # bytes, about, of the node and the names that come in
_SPARED = 0.01  # of all bytes of weights
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_FACTORS = ("Div", "Mul")  # what modulates the weights of a layer


def to_w8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the large weights of a model in 8 bits.

    1. Weights of Conv, ConvTranspose, Gemm and MatMul, and those that become one by factors that
       are computed (modulated convolutions): int8, symmetric, one scale per output channel.
    2. The smallest of these, a hundredth of the bytes together, stay float32: they are those of
       the first and last layers, on which the picture hangs. Measured on trained swap models, that
       is worth 6 to 18 dB on the worst picture.
    3. Biases, all other constants, and weights by which less than 1 KB is won, stay float32.

    Args:
        model: a float32 model without subgraphs; it stays as it is. One of an opset before 13 is
            raised to it.

    Returns:
        Another model with the same inputs and outputs.

    Raises:
        GraphError: the model is broken, holds a subgraph, or cannot be raised to opset 13.
    """
    model = with_opset(model, _OPSET)
    graph = Graph(model)
    bare, tensors = without_constants(model), constants_of(model)
    makers: list[onnx.NodeProto] = []
    for name, axis in _chosen(graph, tensors).items():
        weight = numpy_helper.to_array(tensors.pop(name))
        made = quantize_weight(weight, axis)
        integers, scale = graph.new_name(f"{name}_i8"), graph.new_name(f"{name}_scale")
        tensors[integers] = numpy_helper.from_array(made.values, integers)
        tensors[scale] = numpy_helper.from_array(made.scale, scale)
        # It makes the weight under its own name, so that no reader has to change.
        makers.append(helper.make_node("DequantizeLinear", [integers, scale], [name], axis=axis))
    nodes = [*makers, *without_constants(model).graph.node]
    del bare.graph.node[:]
    bare.graph.node.extend(nodes)
    name_nodes(bare)
    result = assemble(bare, tensors.values())
    check_model(result)
    return result


def _chosen(graph: Graph, tensors: Mapping[str, onnx.TensorProto]) -> dict[str, int]:
    """Return the weights to store in 8 bits, each with the axis of its scales."""
    axes = {name: _channel_axis(graph, name) for name in tensors}
    able = {
        name: axis
        for name, axis in axes.items()
        if axis is not None and _gain(tensors[name], axis) >= _LEAST_GAIN
    }
    sizes = {name: tensor_bytes(tensors[name]) for name in able}
    left = _SPARED * sum(sizes.values())
    for name in sorted(sizes, key=lambda name: sizes[name]):
        left -= sizes[name]
        if left < 0:
            break
        del able[name]
    return able


def _gain(tensor: onnx.TensorProto, axis: int) -> int:
    """Return how many bytes a model loses by storing a weight in 8 bits."""
    size = int(np.prod(tensor.dims))
    return 3 * size - 4 * int(tensor.dims[axis]) - _NODE


def _channel_axis(graph: Graph, name: str) -> int | None:
    """Return the axis of a weight that gets a scale per index; None for what is no weight."""
    shape = graph.static_shape(name)
    if graph.element(name) != TensorProto.FLOAT or shape is None or len(shape) < 2:
        return None
    if name in graph.outputs:
        return None
    for user in graph.users(name):
        if user.op_type in _LAYERS and len(user.input) > 1 and user.input[1] == name:
            if user.op_type == "MatMul":
                return len(shape) - 1
            axis = channel_axis(user)
            # A grouped ConvTranspose has no axis of its outputs; one of its inputs does as well.
            return 0 if axis is None else axis
        if user.op_type in _FACTORS and _becomes_a_kernel(graph, user):
            return 0
    return None


def _becomes_a_kernel(graph: Graph, node: onnx.NodeProto, steps: int = 3) -> bool:
    """Return whether what a node makes is the weight of a convolution, behind further factors."""
    for user in graph.users(node.output[0]):
        if user.op_type == "Conv":
            return bool(user.input[1] == node.output[0])
        if steps and user.op_type in _FACTORS and _becomes_a_kernel(graph, user, steps - 1):
            return True
    return False
