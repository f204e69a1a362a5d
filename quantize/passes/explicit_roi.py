"""Explicit roi: give each Resize an empty tensor instead of an input without a name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


class ExplicitRoi(Rewrite[bool]):
    """Name the region of interest of Resize: some converters stumble over the name ''.

    1. Resize(x, '', ...) -> Resize(x, roi, ...) with an empty float32 initializer, shared by all.
    """

    name: ClassVar[str] = "explicit_roi"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> bool | None:
        """Find a Resize whose roi has no name."""
        nameless = node.op_type == "Resize" and len(node.input) > 1 and not node.input[1]
        return nameless or None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: bool) -> None:
        """Give it the empty tensor."""
        for other in graph.nodes:
            roi = other.input[1] if other.op_type == "Resize" and len(other.input) > 1 else ""
            value = graph.constant(roi) if roi else None
            if value is not None and value.size == 0:
                graph.set_input(node, 1, roi)
                return
        graph.set_input(node, 1, graph.store(np.zeros(0, np.float32), "empty_roi"))
