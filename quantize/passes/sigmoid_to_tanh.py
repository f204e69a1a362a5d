"""Sigmoid to Tanh: for LiteRT, whose sigmoid differs between processors and whose tanh does not."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


class SigmoidToTanh(Rewrite[str]):
    """Compute a sigmoid by the hyperbolic tangent.

    LiteRT 2.3 divides for LOGISTIC on x86, and multiplies by an estimated reciprocal on ARM: a
    third of the results differ in their last bits. TANH is one rational function everywhere.

    1. Sigmoid(x) -> Tanh(x / 2) / 2 + 1 / 2.
    """

    name: ClassVar[str] = "sigmoid_to_tanh"
    tolerance: ClassVar[float] = 1e-6

    def match(self, graph: Graph, node: onnx.NodeProto) -> str | None:
        """Find a Sigmoid; return the name of what it gives."""
        return str(node.output[0]) if node.op_type == "Sigmoid" else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: str) -> None:
        """Write it out."""
        source = node.input[0]
        half = graph.store(np.array([0.5], graph.dtype(source)), "half")
        graph.remove(node)
        angle = graph.add("Mul", [source, half], hint=match)
        tangent = graph.add("Tanh", [angle], hint=match)
        scaled = graph.add("Mul", [tangent, half], hint=match)
        graph.add("Add", [scaled, half], output=match)
