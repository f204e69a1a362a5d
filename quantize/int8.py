"""Make a model 8-bit: what a recipe says, with the ranges that calibration saw."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from quantize.calibrate import Ranges
from quantize.int8_choice import Choice, candidates, choose
from quantize.int8_qdq import insert, join_clipped, read_raw, store_weight, tidy
from quantize.int8_ranges import Range, activation_ranges, input_scale
from quantize.int8_weights import (
    QuantizedWeight,
    channel_axis,
    pair_peaks,
    quantize_weight,
    smallest_scale,
)
from quantize.opset import with_opset
from quantize.passes._infra.graph import Graph
from quantize.recipes import Recipe
from quantize.stored import assemble, constants_of, without_constants

__all__ = ["Int8Model", "quantizable", "stored_small", "to_int8"]

_PER_CHANNEL_OPSET = 13
_STORED_SMALL = ("Gemm", "MatMul", "ConvTranspose")
_LEAST_WEIGHTS = 1024  # numbers in a weight below which 8 bits save nothing
_SPARED = 0.01  # of the bytes of all weights: those of the layers on which the picture hangs most


@dataclass(frozen=True, slots=True, eq=False)
class Int8Model:
    """A model that computes in 8 bits where its recipe says so.

    Attributes:
        model: with QuantizeLinear and DequantizeLinear; inputs and outputs are as they were.
        quantized: names of the layers that are 8-bit, in the graph's order.
        left_float: names of those that could be, and are not: asked for, or pulled along.
        recipe: how.
    """

    model: onnx.ModelProto
    quantized: tuple[str, ...]
    left_float: tuple[str, ...]
    recipe: Recipe


def quantizable(model: onnx.ModelProto, recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the layers that a recipe would quantize, in the graph's order.

    Args:
        model: a float model whose nodes have names; not edited.
        recipe: what is quantized.

    Raises:
        GraphError: nodes share a name or have none, or the model cannot be looked into.
    """
    return candidates(Graph(model), recipe)


def stored_small(graph: Graph, recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the layers whose weights take 8 bits even where they compute in float.

    Those are the convolutions that a recipe with `float_weights` "w8" would quantize, but for the
    smallest, which together have a hundredth of the bytes of all weights: on them the picture
    hangs most, and they weigh next to nothing.

    Args:
        graph: of a float model whose nodes have names; not edited.
        recipe: how.

    Raises:
        GraphError: nodes share a name or have none, or the model cannot be looked into.
    """
    if recipe.float_weights != "w8":
        return ()
    able = set(candidates(graph, recipe))
    layers = [node for node in graph.nodes if node.name in able and node.op_type == "Conv"]
    sizes = {node.name: math.prod(graph.static_shape(node.input[1]) or (0,)) for node in layers}
    left = _SPARED * sum(math.prod(tensor.dims) for tensor in graph.model.graph.initializer)
    names = sorted(sizes, key=lambda name: sizes[name])
    while names and (sizes[names[0]] <= left or sizes[names[0]] < _LEAST_WEIGHTS):
        left -= sizes[names.pop(0)]
    return tuple(node.name for node in layers if node.name in names)


def to_int8(
    model: onnx.ModelProto,
    ranges: Ranges,
    recipe: Recipe,
    *,
    float_layers: Collection[str] = (),
    small: Collection[str] | None = None,
) -> Int8Model:
    """Quantize a model.

    1. Layers of `Recipe.operators` get 8-bit weights, and read (and give) 8-bit activations;
       their biases get 32 bits. Scales are per output channel where the recipe says so.
    2. Layers named in `float_layers` stay float, and so do those that would pull them back in:
       see `quantize.int8_choice`.
    3. Float nodes read what float nodes made, not what was rounded for others.
    4. With `Recipe.gemm_weights` "w8", the weights of float Gemm, MatMul and ConvTranspose are
       stored in 8 bits, and with `Recipe.float_weights` those of convolutions that stay float.

    Args:
        model: a float model with static shapes, whose nodes have names; it stays as it is.
        ranges: what calibration saw of it.
        recipe: how.
        float_layers: names of nodes.
        small: names of the layers whose weights take 8 bits also where they stay float; what
            `stored_small` says of the model by default. A part of a model does not know.

    Raises:
        GraphError: there is no node of such a name, or the model cannot be quantized.
        CalibrationError: `ranges` lack an activation: they are of another model.
    """
    model = with_opset(model, _PER_CHANNEL_OPSET)
    graph = Graph(model)
    choice = choose(graph, recipe, float_layers)
    ends = activation_ranges(graph, choice.values, ranges, recipe)
    bare = without_constants(model)
    bare.ir_version = max(bare.ir_version, 7)
    join_clipped(bare, choice)
    weights = _Weights(bare, constants_of(model))
    if choice.layers:
        _quantize_layers(weights, choice, ends, recipe)
        insert(bare, graph, choice, ends, recipe)
        read_raw(bare, graph, choice)
    if recipe.gemm_weights == "w8":
        _quantize_gemm_weights(weights)
    small = stored_small(graph, recipe) if small is None else small
    _quantize_float_weights(weights, graph, set(choice.left_float) & set(small))
    tidy(bare)
    assemble(bare, [*weights.integers, *_still_wanted(model, bare, weights.stored)])
    return Int8Model(bare, choice.layers, choice.left_float, recipe)


def _bias_of(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> str | None:
    name = node.input[2] if len(node.input) > 2 else ""
    return name if name in stored else None


def _free_prefix(bare: onnx.ModelProto, hint: str) -> str:
    taken = {name for node in bare.graph.node for name in [*node.input, *node.output, node.name]}
    name = hint
    while any(f"{name}{suffix}" in taken for suffix in ("_i8", "_s", "_z", "_dq")):
        name += "_"
    return name


class _Weights:
    """Puts 8-bit weights into a graph; layers that share a weight go on sharing it."""

    def __init__(self, bare: onnx.ModelProto, stored: Mapping[str, onnx.TensorProto]) -> None:
        self.bare = bare
        self.stored = stored
        self.integers: list[onnx.TensorProto] = []

    def array(self, name: str) -> NDArray[np.float32]:
        return np.asarray(numpy_helper.to_array(self.stored[name]), np.float32)

    def replace(self, nodes: list[onnx.NodeProto], weight: QuantizedWeight) -> None:
        """Let nodes that read one weight read it in 8 bits."""
        prefix = _free_prefix(self.bare, nodes[0].input[1])
        integers, *small = store_weight(self.bare, nodes[0], weight, prefix)
        self.integers.append(integers)
        self.bare.graph.initializer.extend(small)
        for node in nodes[1:]:
            node.input[1] = nodes[0].input[1]


def _still_wanted(
    model: onnx.ModelProto, bare: onnx.ModelProto, stored: Mapping[str, onnx.TensorProto]
) -> list[onnx.TensorProto]:
    """Return the stored values that are read as they were, or that nothing ever read."""
    have = {tensor.name for tensor in bare.graph.initializer}
    outputs = {value.name for value in bare.graph.output}
    before = {name for node in model.graph.node for name in node.input}
    now = {name for node in bare.graph.node for name in node.input} | outputs
    return [
        tensor
        for name, tensor in stored.items()
        if name not in have and (name in now or name not in before)
    ]


def _grouped(nodes: list[onnx.NodeProto]) -> list[list[onnx.NodeProto]]:
    """Return nodes that read the same weight, along the same axis, together."""
    groups: dict[tuple[str, int | None], list[onnx.NodeProto]] = {}
    for node in nodes:
        groups.setdefault((node.input[1], channel_axis(node)), []).append(node)
    return list(groups.values())


def _quantize_layers(
    weights: _Weights, choice: Choice, ends: Mapping[str, Range], recipe: Recipe
) -> None:
    """Give the chosen layers 8-bit weights, and the graph the biases that are to be quantized."""
    chosen = set(choice.layers)
    nodes = [node for node in weights.bare.graph.node if node.name in chosen]
    biases: dict[str, None] = {}
    for group in _grouped(nodes):
        axis = channel_axis(group[0]) if recipe.per_channel else None
        floors = []
        for node in group:
            bias = _bias_of(node, weights.stored)
            if bias is not None:
                biases[bias] = None
            values = None if bias is None else weights.array(bias)
            floors.append(smallest_scale(values, input_scale(ends[node.input[0]], recipe)))
        array = weights.array(group[0].input[1])
        weight = quantize_weight(
            array,
            axis,
            kind=recipe.weights,
            limits=pair_peaks(array, group[0], axis) if recipe.reduce_range else None,
            floor=np.max(np.broadcast_arrays(*floors), axis=0),
        )
        weights.replace(group, weight)
    weights.bare.graph.initializer.extend(weights.stored[name] for name in biases)


def _quantize_gemm_weights(weights: _Weights) -> None:
    """Store the weights of float Gemm, MatMul and ConvTranspose in 8 bits, a scale per output."""
    nodes = []
    for node in weights.bare.graph.node:
        if node.op_type not in _STORED_SMALL or node.input[1] not in weights.stored:
            continue
        tensor = weights.stored[node.input[1]]
        large = int(np.prod(list(tensor.dims))) >= _LEAST_WEIGHTS
        ranks = (2,) if node.op_type != "ConvTranspose" else (3, 4, 5)
        if large and len(tensor.dims) in ranks and tensor.data_type == TensorProto.FLOAT:
            nodes.append(node)
    _store_small(weights, nodes)


def _quantize_float_weights(weights: _Weights, graph: Graph, names: Collection[str]) -> None:
    """Store the weights of some convolutions that compute in float in 8 bits."""
    nodes = [
        node
        for node in weights.bare.graph.node
        if node.name in names
        # A weight that others read as it is would be stored twice.
        and all(user.name in names for user in graph.users(node.input[1]))
    ]
    _store_small(weights, nodes)


def _store_small(weights: _Weights, nodes: list[onnx.NodeProto]) -> None:
    for group in _grouped(nodes):
        weight = weights.array(group[0].input[1])
        weights.replace(group, quantize_weight(weight, channel_axis(group[0])))
