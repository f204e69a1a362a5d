"""Fold norms and factors: what a convolution can do itself needs no node of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

Vector = NDArray[np.float64]
_LAYERS = ("Conv", "ConvTranspose", "Gemm")
_NORM_EPSILON = 1e-5  # what ONNX says when the attribute is missing


@dataclass(frozen=True, slots=True)
class _Fold:
    """y = x * gain + shift, by channel, next to the layer that can take it in."""

    layer: onnx.NodeProto
    behind: bool  # whether y comes behind the layer, or x in front of it
    source: str
    gain: Vector
    shift: Vector


class FoldBatchnorm(Rewrite[_Fold]):
    """Fold x * g + s per channel into the Conv, ConvTranspose or Gemm behind or in front of it.

    x * g + s is a BatchNormalization (not in training mode), or a Mul, Div, Add or Sub with a
    constant per channel or for all.

    1. Behind a layer that nothing else reads: W * g, b * g + s.
    2. In front of all its layers' inputs, s = 0: W * g by input channel.
    3. In front, s != 0: also b + W s. Only where the layer pads nothing: padding comes after s.
       Not for ConvTranspose, whose borders lack taps.
    4. Weights that are not constant, or a constant that makes its partner larger: left alone.
    """

    name: ClassVar[str] = "fold_batchnorm"
    tolerance: ClassVar[float] = 1e-4

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Fold | None:
        """Find such a node next to a layer."""
        if node.op_type not in ("BatchNormalization", "Mul", "Div", "Add", "Sub"):
            return None
        for index in (0, 1) if node.op_type in ("Mul", "Add", "Sub") else (0,):
            if index >= len(node.input) or graph.is_constant(node.input[index]):
                continue
            source = node.input[index]
            count = _channels(graph, source)
            if count is None:
                continue
            affine = affine_of(graph, node, index, count)
            if affine is None:
                continue
            layer = graph.maker(source, *_LAYERS)
            if layer is not None and graph.only_user(source) is not None and _fixed(graph, layer):
                return _Fold(layer, True, source, *affine)
            layer = graph.only_user(node.output[0])
            if layer is not None and _takes_in_front(graph, layer, node.output[0], affine[1]):
                return _Fold(layer, False, source, *affine)
        return None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Fold) -> None:
        """Fold."""
        layer = match.layer
        weights, bias = graph.constant(layer.input[1]), _bias(graph, layer)
        assert weights is not None
        view = _Weights(layer, weights)
        if match.behind:
            new_weights = view.by_output(match.gain)
            new_bias = bias * match.gain + match.shift
        else:
            new_weights = view.by_input(match.gain)
            new_bias = bias + view.summed(match.shift) if np.any(match.shift) else bias
        hint = layer.output[0]
        kind = weights.dtype
        graph.set_input(layer, 1, graph.store(new_weights.astype(kind), f"{hint}_weight"))
        had_bias = len(layer.input) > 2 and layer.input[2]
        if had_bias or np.any(new_bias):
            graph.set_input(layer, 2, graph.store(new_bias.astype(kind), f"{hint}_bias"))
            if layer.op_type == "Gemm":
                graph.set_attributes(layer, {"beta": None})
        if layer.op_type == "Gemm":
            graph.set_attributes(layer, {"alpha": None})
        graph.remove(node)
        if match.behind:
            graph.set_output(layer, node.output[0])
        else:
            graph.set_input(layer, 0, match.source)


class _Weights:
    """A layer's weights by output and input channel, in float64."""

    def __init__(self, layer: onnx.NodeProto, weights: NDArray[Any]) -> None:
        given = attributes(layer)
        self.kind, self.group = layer.op_type, int(given.get("group", 1))
        self.wide = weights.astype(np.float64)
        self.flipped = bool(given.get("transB", 0))
        if self.kind == "Gemm":
            self.wide = self.wide * given.get("alpha", 1.0)

    def by_output(self, gain: Vector) -> Vector:
        """Return the weights with each output channel multiplied by its gain."""
        if self.kind == "Conv":
            return self.wide * gain.reshape(-1, *[1] * (self.wide.ndim - 1))
        if self.kind == "Gemm":
            return self.wide * (gain[:, None] if self.flipped else gain)
        inputs, outputs, *taps = self.wide.shape
        split = self.wide.reshape(self.group, inputs // self.group, outputs, *taps)
        gains = gain.reshape(self.group, 1, outputs, *[1] * len(taps))
        return np.asarray((split * gains).reshape(self.wide.shape))

    def by_input(self, gain: Vector) -> Vector:
        """Return the weights with each input channel multiplied by its gain."""
        if self.kind == "ConvTranspose":
            return self.wide * gain.reshape(-1, *[1] * (self.wide.ndim - 1))
        if self.kind == "Gemm":
            return self.wide * (gain if self.flipped else gain[:, None])
        outputs, inputs, *taps = self.wide.shape
        split = self.wide.reshape(self.group, outputs // self.group, inputs, *taps)
        gains = gain.reshape(self.group, 1, inputs, *[1] * len(taps))
        return np.asarray((split * gains).reshape(self.wide.shape))

    def summed(self, shift: Vector) -> Vector:
        """Return what a constant per input channel adds to each output; not ConvTranspose."""
        part = self.by_input(shift)
        if self.kind == "Gemm":
            return np.asarray(part.sum(axis=1 if self.flipped else 0))
        return np.asarray(part.reshape(len(part), -1).sum(axis=1))


def _channels(graph: Graph, name: str) -> int | None:
    shape = graph.shape(name)
    return None if shape is None or len(shape) < 2 else shape[1]


def _per_channel(graph: Graph, name: str, source: str, count: int) -> Vector | None:
    """Return a constant as float64 (count,) when it broadcasts so, and makes nothing larger."""
    shape, partner = graph.static_shape(name), graph.shape(source)
    if not graph.is_constant(name) or shape is None or partner is None or len(shape) > len(partner):
        return None
    full = (1,) * (len(partner) - len(shape)) + shape
    if full[1] not in (1, count) or any(size != 1 for size in (full[0], *full[2:])):
        return None
    value = graph.constant(name)
    assert value is not None
    if value.dtype.kind != "f":
        return None
    return np.broadcast_to(value.ravel().astype(np.float64), (count,))


def affine_of(
    graph: Graph, node: onnx.NodeProto, index: int, count: int
) -> tuple[Vector, Vector] | None:
    """Return gain and shift per channel of a node, seen from its input at `index`."""
    if node.op_type == "BatchNormalization":
        given = attributes(node)
        parts = [graph.constant(name) for name in node.input[1:5]]
        if given.get("training_mode", 0) or any(part is None for part in parts):
            return None
        scale, bias, mean, variance = (np.asarray(part, np.float64) for part in parts)
        gain = scale / np.sqrt(variance + given.get("epsilon", _NORM_EPSILON))
        return gain, bias - mean * gain
    value = _per_channel(graph, node.input[1 - index], node.input[index], count)
    if value is None or (node.op_type == "Div" and np.any(value == 0)):
        return None
    ones, zeros = np.ones(count), np.zeros(count)
    if node.op_type == "Mul":
        return value, zeros
    if node.op_type == "Div":
        return 1 / value, zeros
    if node.op_type == "Add":
        return ones, value
    return (ones, -value) if index == 0 else (-ones, value)


def _fixed(graph: Graph, layer: onnx.NodeProto) -> bool:
    """Return whether a layer's weights and bias are stored, the bias one number per output."""
    if not graph.is_constant(layer.input[1]):
        return False
    if layer.op_type == "Gemm" and attributes(layer).get("transA", 0):
        return False
    if len(layer.input) < 3 or not layer.input[2]:
        return True
    shape = graph.static_shape(layer.input[2])
    if not graph.is_constant(layer.input[2]) or shape is None:
        return False
    return len([size for size in shape if size != 1]) <= 1 and (len(shape) < 2 or shape[0] == 1)


def _takes_in_front(graph: Graph, layer: onnx.NodeProto, name: str, shift: Vector) -> bool:
    if layer.op_type not in _LAYERS or layer.domain or layer.input[0] != name:
        return False
    if not _fixed(graph, layer):
        return False
    if not np.any(shift) or layer.op_type == "Gemm":
        return True
    given = attributes(layer)
    pads_nothing = not any(given.get("pads", ())) and given.get("auto_pad", b"NOTSET") in (
        b"NOTSET",
        b"VALID",
    )
    return layer.op_type == "Conv" and pads_nothing


def _bias(graph: Graph, layer: onnx.NodeProto) -> Vector:
    """Return a layer's bias as float64 (outputs,)."""
    given = attributes(layer)
    shape = graph.static_shape(layer.input[1])
    assert shape is not None
    if layer.op_type == "Gemm":
        count = shape[0] if given.get("transB", 0) else shape[1]
    elif layer.op_type == "Conv":
        count = shape[0]
    else:
        count = shape[1] * int(given.get("group", 1))
    value = graph.constant(layer.input[2]) if len(layer.input) > 2 else None
    if value is None:
        return np.zeros(count)
    wide = value.astype(np.float64).ravel() * (given.get("beta", 1.0))
    return np.broadcast_to(wide, (count,))
