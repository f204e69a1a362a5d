"""A Resize behind what ONNX Runtime does not compute in blocks: into blocks in front of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.blocked import fills_blocks
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_MODES = (b"linear", b"nearest")


class BlockedResize(Rewrite[int]):
    """Lead values into the blocked layout before they are enlarged, by a convolution of ones.

    ONNX Runtime enlarges in blocks what already is in blocks, 4 times as quickly as it does
    otherwise, and never leads values there for it.

    1. Resize (linear, nearest) of a Conv with computed weights, or of such a Conv plus something,
       channels that fill blocks -> a depthwise 1x1 convolution of ones in front of the Resize.
    2. Anything else: left alone.
    """

    name: ClassVar[str] = "blocked_resize"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> int | None:
        """Find such a Resize; return its channels."""
        if node.op_type != "Resize" or attributes(node).get("mode", b"nearest") not in _MODES:
            return None
        source = str(node.input[0])
        if not fills_blocks(graph, source):
            return None
        maker = graph.maker(source)
        if maker is None:
            return None
        terms = maker.input if maker.op_type == "Add" else [source]
        makers = [graph.maker(term, "Conv") for term in terms]
        if not any(conv is not None and not graph.is_constant(conv.input[1]) for conv in makers):
            return None
        return (graph.shape(source) or (0, 0))[1]

    def apply(self, graph: Graph, node: onnx.NodeProto, match: int) -> None:
        """Put the convolution of ones in front."""
        source = str(node.input[0])
        ones = graph.store(np.ones((match, 1, 1, 1), graph.dtype(source)), f"{source}_ones")
        same = graph.add("Conv", [source, ones], hint=source, kernel_shape=[1, 1], group=match)
        graph.set_input(node, 0, same)
