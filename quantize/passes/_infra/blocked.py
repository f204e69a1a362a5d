"""What ONNX Runtime computes in blocks of channels on x86: its layout NCHWc."""

from __future__ import annotations

import math

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes

BLOCK = 16
"""Channels of a block: 16 with AVX-512, 8 with AVX2. Multiples of 16 fill both."""


def fills_blocks(graph: Graph, name: str) -> bool:
    """Return whether a value is one of four axes whose channels fill blocks."""
    shape = graph.shape(name)
    return shape is not None and len(shape) == 4 and bool(shape[1]) and (shape[1] or 1) % BLOCK == 0


def is_stored_conv(graph: Graph, node: onnx.NodeProto | None) -> bool:
    """Return whether a node is a Conv of pictures whose weights and bias are stored."""
    if node is None or node.op_type != "Conv" or node.domain not in ("", "ai.onnx"):
        return False
    shape = graph.static_shape(node.input[1])
    stored = all(graph.is_constant(name) for name in node.input[1:] if name)
    return stored and shape is not None and len(shape) == 4


def is_depthwise(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node is a stored Conv that makes each channel from that channel alone."""
    if not is_stored_conv(graph, node):
        return False
    outputs, inputs, *_ = graph.static_shape(node.input[1]) or (0, 0)
    return inputs == 1 and outputs == attributes(node).get("group", 1)


def products_per_output(graph: Graph, conv: onnx.NodeProto) -> int:
    """Return how many multiplications a Conv of known weights makes for each number it gives."""
    return math.prod((graph.static_shape(conv.input[1]) or (0, 0))[1:])
