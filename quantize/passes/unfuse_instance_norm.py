"""Unfuse instance norm: for targets that lack the operator, and for statistics kept in FP32."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_EPSILON = 1e-5  # what ONNX says when the attribute is missing


class UnfuseInstanceNorm(Rewrite[int]):
    """Write InstanceNormalization out.

    1. InstanceNormalization(x, s, b) -> c = x - mean(x); c / sqrt(mean(c * c) + epsilon) * s + b,
       with means over all axes from the third on.
    2. A constant s of ones or b of zeros is left out.
    3. x of unknown rank: left alone.
    """

    name: ClassVar[str] = "unfuse_instance_norm"
    tolerance: ClassVar[float] = 1e-4

    def match(self, graph: Graph, node: onnx.NodeProto) -> int | None:
        """Find an InstanceNormalization; return the rank of its input."""
        if node.op_type != "InstanceNormalization":
            return None
        shape = graph.shape(node.input[0])
        return len(shape) if shape is not None and len(shape) > 2 else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: int) -> None:
        """Write it out."""
        source, scale, bias = node.input
        result = node.output[0]
        kind = graph.dtype(source)
        epsilon = attributes(node).get("epsilon", _EPSILON)
        graph.remove(node)
        centred = graph.add("Sub", [source, _mean(graph, source, match)], hint=result)
        square = graph.add("Mul", [centred, centred], hint=result)
        variance = _mean(graph, square, match)
        offset = graph.store(np.array(epsilon, kind), f"{result}_epsilon")
        deviation = graph.add("Sqrt", [graph.add("Add", [variance, offset])])
        steps = [("Div", deviation)]
        for operator, name, neutral in (("Mul", scale, 1), ("Add", bias, 0)):
            value = graph.constant(name)
            if value is None or not np.all(value == neutral):
                steps.append((operator, _per_channel(graph, name, match)))
        value_name = centred
        for operator, name in steps:
            output = result if (operator, name) == steps[-1] else None
            value_name = graph.add(operator, [value_name, name], output=output, hint=result)


def _mean(graph: Graph, value: str, rank: int) -> str:
    axes = list(range(2, rank))
    if graph.opset < 18:
        return graph.add("ReduceMean", [value], axes=axes, keepdims=1)
    return graph.add("ReduceMean", [value, graph.store(np.array(axes), "axes")], keepdims=1)


def _per_channel(graph: Graph, name: str, rank: int) -> str:
    """Return (C,) as (1, C, 1, ...)."""
    shape = [1, -1] + [1] * (rank - 2)
    value = graph.constant(name)
    if value is not None:
        return graph.store(value.reshape(shape), f"{name}_per_channel")
    return graph.add("Reshape", [name, graph.store(np.array(shape), "per_channel")])
