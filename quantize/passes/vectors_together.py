"""Many small operations on vectors: one operation on one long vector."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes._infra.splitting import split
from quantize.passes.base import Rewrite

_FEWEST = 3  # of them; a Concat or a Split comes in their place
_MOST_WEIGHTS = 65_536  # of a Gemm: larger ones take their time for reading them, however they lie
_UNARY = ("Exp", "Neg", "Relu", "Sigmoid", "Sqrt", "Tanh")
_BINARY = ("Add", "Div", "Mul", "Sub")


class VectorsTogether(Rewrite[list[onnx.NodeProto]]):
    """Do at once what is done to many vectors alike: each operation costs some microseconds.

    So it is with the factors that an identity puts on each layer. A vector is (1, N), or
    (1, N, 1, 1).

    1. Small Gemms of one vector with stored weights -> one Gemm of stacked weights, and a Split.
    2. A Split of a vector whose parts are all read by a like operation of that part alone (unary;
       with one stored number; its square; Unsqueeze; Reshape to a column) -> the operation, then
       the Split.
    3. Sqrt of several vectors that do not depend on one another -> Concat, Sqrt, Split.
    4. Fewer than three: left alone.
    """

    name: ClassVar[str] = "vectors_together"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Find a first such node; return all that become one."""
        if node.op_type == "Gemm" and _small_gemm(graph, node):
            alike = [user for user in graph.users(node.input[0]) if _small_gemm(graph, user)]
            group = [one for one in alike if _given(one) == _given(node)]
        elif node.op_type == "Split" and _is_split_vector(graph, node):
            group = _followers(graph, node)
        elif node.op_type == "Sqrt":
            group = _roots(graph, node)
        else:
            return None
        return group if len(group) >= _FEWEST else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: list[onnx.NodeProto]) -> None:
        """Make one of them."""
        outputs = [str(one.output[0]) for one in match]
        sizes = [_length(graph, name) for name in outputs]
        hint, axis = f"{outputs[0]}_all", 1
        if node.op_type == "Gemm":
            whole = _stacked(graph, match, hint)
        elif node.op_type == "Sqrt":
            joined = graph.add("Concat", [str(one.input[0]) for one in match], hint=hint, axis=1)
            whole = graph.add("Sqrt", [joined], hint=hint)
        else:
            first, parts = match[0], set(node.output)
            inputs = [str(node.input[0]) if name in parts else str(name) for name in first.input]
            if first.op_type == "Reshape":
                axis = 0
                inputs[1] = graph.store(np.array([sum(sizes), 1, 1, 1], np.int64), f"{hint}_shape")
            whole = graph.add(first.op_type, inputs, hint=hint, **attributes(first))
        graph.remove(*match)
        split(graph, whole, sizes, axis, outputs)


def _length(graph: Graph, name: str) -> int:
    """Return how many numbers a value has that `match` has found to be of known sizes."""
    return math.prod(graph.static_shape(name) or ())


def _is_vector(graph: Graph, name: str) -> bool:
    shape = graph.static_shape(name)
    if shape is None or len(shape) < 2 or name in graph.outputs:
        return False
    return shape[0] == 1 and all(size == 1 for size in shape[2:])


def _given(node: onnx.NodeProto) -> Hashable:
    return tuple(sorted((key, str(value)) for key, value in attributes(node).items()))


def _small_gemm(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node is a Gemm of a vector, plain, with stored weights that are few."""
    if node.op_type != "Gemm" or not _is_vector(graph, node.output[0]):
        return False
    given = attributes(node)
    plain = given.get("alpha", 1.0) == 1 and given.get("beta", 1.0) == 1
    if not plain or given.get("transA", 0) or not _is_row(graph, node.input[0]):
        return False
    if not all(graph.is_constant(name) for name in node.input[1:] if name):
        return False
    return _length(graph, node.input[1]) <= _MOST_WEIGHTS


def _is_row(graph: Graph, name: str) -> bool:
    shape = graph.static_shape(name)
    return shape is not None and len(shape) == 2 and shape[0] == 1


def _stacked(graph: Graph, gemms: Sequence[onnx.NodeProto], hint: str) -> str:
    """Add one Gemm that gives what several give, one behind the other."""
    rows = int(attributes(gemms[0]).get("transB", 0))
    weights, shifts = [], []
    for one in gemms:
        weight = graph.constant(one.input[1])
        assert weight is not None
        weights.append(weight)
        shift = graph.constant(one.input[2]) if len(one.input) > 2 and one.input[2] else None
        count = _length(graph, one.output[0])
        filled = np.zeros(1, weight.dtype) if shift is None else shift.ravel()
        shifts.append(np.broadcast_to(filled, (count,)))
    inputs = [
        str(gemms[0].input[0]),
        graph.store(np.concatenate(weights, axis=1 - rows), f"{hint}_weight"),
        graph.store(np.concatenate(shifts), f"{hint}_bias"),
    ]
    return graph.add("Gemm", inputs, hint=hint, **attributes(gemms[0]))


def _is_split_vector(graph: Graph, node: onnx.NodeProto) -> bool:
    shape = graph.static_shape(node.input[0])
    if shape is None or attributes(node).get("axis", 0) != 1:
        return False
    return _is_vector(graph, node.input[0]) and all(_is_vector(graph, n) for n in node.output)


def _followers(graph: Graph, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return a like reader of each part of a Split, in order; nothing where there is none."""
    readers = [{id(user): user for user in graph.users(part)} for part in node.output]
    for first in readers[0].values():
        wanted = _likeness(graph, first, node.output[0])
        if wanted is None:
            continue
        found = [
            [user for user in each.values() if _likeness(graph, user, part) == wanted]
            for each, part in zip(readers, node.output, strict=True)
        ]
        if all(len(one) == 1 for one in found):
            return [one[0] for one in found]
    return []


def _likeness(graph: Graph, node: onnx.NodeProto, part: str) -> Hashable | None:
    """Return what two operations share that may be done at once; None for any other operation."""
    if not _is_vector(graph, node.output[0]) and node.op_type != "Reshape":
        return None
    same = (node.op_type, _given(node))
    if node.op_type in _UNARY:
        return same
    if node.op_type in _BINARY:
        if list(node.input) == [part, part]:
            return (*same, "with itself")
        place = list(node.input).index(part)
        number = graph.scalar(node.input[1 - place])
        return None if number is None else (*same, place, number)
    if node.op_type == "Unsqueeze":
        stated = graph.constant(node.input[1]) if len(node.input) > 1 else None
        axes = attributes(node).get("axes", ()) if stated is None else stated.tolist()
        return (*same, *axes) if axes and all(axis > 1 for axis in axes) else None
    if node.op_type == "Reshape" and node.output[0] not in graph.outputs:
        column = (_length(graph, part), 1, 1, 1)
        target = graph.constant(node.input[1])
        known = graph.static_shape(node.output[0]) == column and target is not None
        return same if known else None
    return None


def _roots(graph: Graph, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the Sqrt nodes of vectors of the same rank, none of which needs another."""
    rank = len(graph.shape(node.input[0]) or ())
    alike = [
        one
        for one in graph.nodes
        if one.op_type == "Sqrt"
        and _is_vector(graph, one.output[0])
        and not graph.is_constant(one.input[0])
        and len(graph.shape(one.input[0]) or ()) == rank
    ]
    members = {id(one) for one in alike}
    wanted, seen = [str(one.input[0]) for one in alike], set[str]()
    while wanted:
        name = wanted.pop()
        maker = graph.maker(name) if name not in seen else None
        seen.add(name)
        if maker is not None:
            if id(maker) in members:
                return []
            wanted.extend(maker.input)
    return alike
