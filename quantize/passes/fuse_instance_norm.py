"""Fuse instance norm: one operator instead of the eight that exporters write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.normalization import Spread, normalised_of, operands
from quantize.passes.base import Rewrite


@dataclass(frozen=True, slots=True)
class _Affine:
    """The node behind a norm that multiplies or adds one constant per channel."""

    user: onnx.NodeProto
    values: NDArray[Any]  # (C,)


class FuseInstanceNorm(Rewrite["Spread | _Affine"]):
    """Make InstanceNormalization of a norm that is written out.

    With c = x - mean(x) over all axes from the third on, v = mean(c * c), r = sqrt(v + epsilon):

    1. c / r, c * (1 / r), c * Reciprocal(r), c * Pow(v + epsilon, -0.5)
       -> InstanceNormalization(x, 1, 0, epsilon).
    2. The mean may be ReduceMean (axes as attribute or input, kept, or restored by Unsqueeze or
       Reshape) of x itself or of its places laid out in one row, GlobalAveragePool, or ReduceSum
       divided by the number of places; c may be x + Neg(mean).
    3. The square may be Mul or Pow, c may be computed twice; v may be ReduceSumSquare, or
       mean(x * x) - mean(x) * mean(x); v may be scaled by a constant k (unbiased estimates):
       -> epsilon / k, scale 1 / sqrt(k).
    4. InstanceNormalization followed by Mul or Add with a constant per channel takes it in. With
       other factors (AdaIN) they stay behind it.
    5. c / (r + epsilon), other axes, and an x of unknown rank or channels: left alone.
    """

    name: ClassVar[str] = "fuse_instance_norm"
    tolerance: ClassVar[float] = 1e-4

    def match(self, graph: Graph, node: onnx.NodeProto) -> Spread | _Affine | None:
        """Find the last node of a written-out norm, or a norm that can take its follower in."""
        if node.op_type == "InstanceNormalization":
            return _follower(graph, node)
        found = normalised_of(graph, node)
        shape = graph.shape(found.source) if found is not None else None
        return found if shape is not None and shape[1] is not None else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: Spread | _Affine) -> None:
        """Fuse."""
        if isinstance(match, _Affine):
            _absorb(graph, node, match)
            return
        shape = graph.shape(match.source)
        count, kind = shape[1] if shape is not None else None, graph.dtype(match.source)
        assert count is not None
        result = node.output[0]
        scale = np.full(count, 1 / math.sqrt(match.factor), kind)
        names = [
            match.source,
            graph.store(scale, f"{result}_scale"),
            graph.store(np.zeros(count, kind), f"{result}_bias"),
        ]
        graph.remove(node)
        epsilon = match.epsilon / match.factor
        graph.add("InstanceNormalization", names, output=result, epsilon=epsilon)


def _follower(graph: Graph, node: onnx.NodeProto) -> _Affine | None:
    shape, user = graph.shape(node.input[0]), graph.only_user(node.output[0])
    if shape is None or shape[1] is None or user is None or user.op_type not in ("Mul", "Add"):
        return None
    if user.domain or not all(graph.is_constant(name) for name in node.input[1:]):
        return None
    other = next(b for a, b in operands(user) if a == node.output[0])
    wanted = graph.static_shape(other)
    if not graph.is_constant(other) or wanted is None or len(wanted) > len(shape):
        return None
    full = (1,) * (len(shape) - len(wanted)) + wanted
    if full[1] not in (1, shape[1]) or any(size != 1 for size in (full[0], *full[2:])):
        return None
    value = graph.constant(other)
    assert value is not None
    return _Affine(user, np.broadcast_to(value.ravel(), shape[1]))


def _absorb(graph: Graph, node: onnx.NodeProto, match: _Affine) -> None:
    scale, bias = (graph.constant(name) for name in node.input[1:])
    assert scale is not None
    assert bias is not None
    wide = match.values.astype(np.float64)
    multiplies = match.user.op_type == "Mul"
    new = [scale * wide, bias * wide] if multiplies else [scale, bias + wide]
    result = match.user.output[0]
    for index, (value, hint) in enumerate(zip(new, ("scale", "bias"), strict=True)):
        name = graph.store(value.astype(scale.dtype), f"{result}_{hint}")
        graph.set_input(node, index + 1, name)
    graph.remove(match.user)
    graph.set_output(node, result)
