"""Reflect Pad to Slice and Concat: bit-exact, and known to every target."""

from __future__ import annotations

from typing import ClassVar

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.padding import Padding, join, line, padding_of
from quantize.passes.base import Rewrite


class ReflectPad(Rewrite[Padding]):
    """Build mirrored borders of single lines.

    1. Pad(reflect, b in front and a behind on an axis) -> Concat(line b, ..., line 1, x,
       line -2, ..., line -1-a), one axis after the other.
    2. No axis padded: the node goes.
    3. Amounts that are not constant, or negative: left alone.
    """

    name: ClassVar[str] = "reflect_pad"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> Padding | None:
        """Find a reflecting Pad with constant amounts."""
        padding = padding_of(graph, node) if node.op_type == "Pad" else None
        if padding is None or padding.mode != "reflect":
            return None
        return padding if min(padding.before + padding.after) >= 0 else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: Padding) -> None:
        """Build the borders."""
        value, result = node.input[0], node.output[0]
        graph.remove(node)
        axes = [i for i, n in enumerate(zip(match.before, match.after, strict=True)) if any(n)]
        for axis in axes:
            front = [line(graph, value, axis, i) for i in range(match.before[axis], 0, -1)]
            behind = [line(graph, value, axis, -2 - i) for i in range(match.after[axis])]
            output = result if axis == axes[-1] else None
            value = join(graph, [*front, value, *behind], axis, output, node.input[0])
        if not axes:
            graph.redirect(result, value)
