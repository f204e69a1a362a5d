"""Edge Pad to Slice and Concat: bit-exact, and known to every target."""

from __future__ import annotations

from typing import ClassVar

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.padding import Padding, join, line, padding_of
from quantize.passes.base import Rewrite


class EdgePad(Rewrite[Padding]):
    """Build repeated borders of one line.

    1. Pad(edge, b in front and a behind on an axis) -> Concat(line 0 b times, x, line -1 a times),
       one axis after the other.
    2. No axis padded: the node goes.
    3. Amounts that are not constant, or negative: left alone.
    """

    name: ClassVar[str] = "edge_pad"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> Padding | None:
        """Find an edge Pad with constant amounts."""
        padding = padding_of(graph, node) if node.op_type == "Pad" else None
        if padding is None or padding.mode != "edge":
            return None
        return padding if min(padding.before + padding.after) >= 0 else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: Padding) -> None:
        """Build the borders."""
        value, result = node.input[0], node.output[0]
        graph.remove(node)
        axes = [i for i, n in enumerate(zip(match.before, match.after, strict=True)) if any(n)]
        for axis in axes:
            before, after = match.before[axis], match.after[axis]
            front = [line(graph, value, axis, 0)] * before if before else []
            behind = [line(graph, value, axis, -1)] * after if after else []
            output = result if axis == axes[-1] else None
            value = join(graph, [*front, value, *behind], axis, output, node.input[0])
        if not axes:
            graph.redirect(result, value)
