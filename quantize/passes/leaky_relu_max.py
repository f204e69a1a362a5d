"""LeakyRelu to Mul and Max: for NNAPI, which has no 8-bit LeakyRelu between DQ and Q."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_ALPHA = 0.01  # what ONNX says when the attribute is missing


class LeakyReluMax(Rewrite[float]):
    """Take the larger of a value and its fraction.

    ONNX Runtime's NNAPI provider takes a node with DequantizeLinear before and QuantizeLinear
    behind it for one 8-bit operation, and has none for LeakyRelu. Two nodes are two float ones.

    1. LeakyRelu(x, alpha) with alpha between 0 and 1 -> Max(x, Mul(x, alpha)).
    2. Other alphas: left alone.
    """

    name: ClassVar[str] = "leaky_relu_max"
    tolerance: ClassVar[float] = 1e-6

    def match(self, graph: Graph, node: onnx.NodeProto) -> float | None:
        """Find a LeakyRelu; return its alpha."""
        if node.op_type != "LeakyRelu":
            return None
        alpha = float(attributes(node).get("alpha", _ALPHA))
        return alpha if 0 <= alpha <= 1 else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: float) -> None:
        """Write it out."""
        source, result = node.input[0], node.output[0]
        alpha = graph.store(np.array([match], graph.dtype(source)), "alpha")
        graph.remove(node)
        fraction = graph.add("Mul", [source, alpha], hint=result)
        graph.add("Max", [source, fraction], output=result)
