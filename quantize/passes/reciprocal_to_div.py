"""Reciprocal to Div: NNAPI has no reciprocal."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


class ReciprocalToDiv(Rewrite[bool]):
    """Divide instead of multiplying by a reciprocal.

    1. Mul(a, Reciprocal(b)) -> Div(a, b), where nothing else reads the reciprocal.
    2. Reciprocal(b) -> Div(1, b) otherwise.
    """

    name: ClassVar[str] = "reciprocal_to_div"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> bool | None:
        """Find a Reciprocal."""
        return node.op_type == "Reciprocal" or None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: bool) -> None:
        """Divide."""
        source, result = node.input[0], node.output[0]
        user = graph.only_user(result)
        if user is not None and user.op_type == "Mul" and not user.domain:
            other = user.input[1] if user.input[0] == result else user.input[0]
            graph.remove(node, user)
            graph.add("Div", [other, source], output=user.output[0])
            return
        one = graph.store(np.ones((), graph.dtype(source)), "one")
        graph.remove(node)
        graph.add("Div", [one, source], output=result)
