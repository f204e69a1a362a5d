"""Debris: the shape arithmetic and no-ops that exporters leave behind."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx

from quantize.errors import PostconditionError
from quantize.passes._infra.folding import fold_constants, foldable
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import PassResult, Rewrite

_BROADCASTING = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where"}


class Debris(Rewrite[str]):
    """Remove what only says how large things are.

    1. Shape and Size of a value of known shape -> a constant.
    2. Whatever depends on constants alone (Gather, Concat, ConstantOfShape, Split, ...) -> its
       result, unless that is large and made of something small.
    3. Expand in front of an operator that broadcasts anyway, to the same result -> nothing.
    4. Expand, Reshape and Cast to what the value is already, Identity, Dropout, Split into one,
       Concat of one -> nothing.
    """

    name: ClassVar[str] = "debris"
    tolerance: ClassVar[float] = 1e-6

    def match(self, graph: Graph, node: onnx.NodeProto) -> str | None:
        """Return "constant" or "nothing": what a node becomes."""
        if node.op_type in ("Shape", "Size"):
            known = graph.static_shape(node.input[0]) is not None
            return "constant" if known and node.output[0] not in graph.outputs else None
        if _does_nothing(graph, node) and _removable(graph, node):
            return "nothing"
        return None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: str) -> None:
        """Remove the node."""
        if match == "nothing":
            graph.remove(node)
            graph.redirect(node.output[0], node.input[0])
            return
        shape = graph.static_shape(node.input[0])
        assert shape is not None
        given = attributes(node)
        value = np.array(shape[given.get("start", 0) : given.get("end")], np.int64)
        if node.op_type == "Size":
            value = np.array(np.prod(shape), np.int64)
        graph.remove(node)
        graph.redirect(node.output[0], graph.store(value, f"{node.output[0]}_known"))

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Rewrite and fold in turn until neither finds anything."""
        changed = False
        while True:
            found = super().run(model)
            graph = Graph(found.model)
            folded = fold_constants(graph)
            model = graph.finish()
            changed = changed or found.changed or folded
            if not folded:
                return PassResult(model, changed)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that no case applies, and that nothing is left to fold."""
        super().ensures(model)
        graph = Graph(model)
        left = [node for node in foldable(graph) if not set(node.output) & set(graph.outputs)]
        if left:
            raise PostconditionError(f"{left[0].op_type} of constants alone is left")


def _removable(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether the node's input can take its output's place; an output needs a maker."""
    if node.output[0] not in graph.outputs:
        return True
    source = node.input[0]
    return (
        graph.maker(source) is not None
        and not graph.is_constant(source)
        and source not in graph.outputs
    )


def _does_nothing(graph: Graph, node: onnx.NodeProto) -> bool:
    kind, source, result = node.op_type, node.input[0] if node.input else "", node.output[0]
    if kind == "Identity" or (kind in ("Concat", "Split") and _is_single(node)):
        return True
    if kind == "Dropout":
        mode = node.input[2] if len(node.input) > 2 else ""
        training = graph.scalar(mode) if mode else 0.0
        mask_unread = len(node.output) < 2 or not graph.users(node.output[1])
        return training == 0 and mask_unread
    if kind == "Cast":
        return graph.element(source) != 0 and graph.element(source) == graph.element(result)
    if kind in ("Expand", "Reshape"):
        shape = graph.static_shape(source)
        if shape is not None and shape == graph.static_shape(result):
            return True
        return kind == "Expand" and _is_broadcast_anyway(graph, source, result)
    return False


def _is_single(node: onnx.NodeProto) -> bool:
    return len(node.input if node.op_type == "Concat" else node.output) == 1


def _is_broadcast_anyway(graph: Graph, source: str, result: str) -> bool:
    """Return whether all readers of an expanded value give the same without the expansion."""
    small, users = graph.static_shape(source), graph.users(result)
    if small is None or not users or result in graph.outputs:
        return False
    for user in users:
        wanted = graph.static_shape(user.output[0])
        if user.op_type not in _BROADCASTING or user.domain or wanted is None:
            return False
        shapes = [small if name == result else graph.static_shape(name) for name in user.input]
        known = [shape for shape in shapes if shape is not None]
        if len(known) != len(shapes) or np.broadcast_shapes(*known) != wanted:
            return False
    return True
