"""Which nodes of a model must stay float32 when the rest goes to half precision, and why.

Half precision ends at 65504, keeps 11 bits down to 6.1e-5, fewer below, and nothing under 3e-8.
So what sums many values, squares them, takes roots or divides by what is small stays float32, as
does whatever calibration or the weights themselves show to lie outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from quantize.calibrate import Ranges
from quantize.fp16_values import activation_trouble, overflow_trouble, weight_trouble
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import STANDARD_DOMAINS

__all__ = ["float32_only", "nodes_to_keep"]

_SMALL_WEIGHT = 1024  # bytes; a node with less may as well stay float32 between others that do

_NORMS = frozenset(
    {
        "BatchNormalization",
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
    }
)
_SUMS = frozenset(
    {
        "CumSum",
        "GlobalAveragePool",
        "GlobalLpPool",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMean",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
    }
)
_ROOTS = frozenset({"Log", "Reciprocal", "Sqrt"})
_ARITHMETIC = frozenset({"Add", "Div", "Mul", "Pow", "Sub"})
_LIGHT = _ARITHMETIC | {
    "Abs",
    "Clip",
    "Expand",
    "Flatten",
    "Identity",
    "Max",
    "Min",
    "Neg",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
}
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm"})
_GUARDS = frozenset({"Abs", "Add", "Clip", "Max"})  # what keeps a root or a divisor away from 0
_PRODUCTS = frozenset({"Gemm", "MatMul"})  # sums of squares, where exporters write them so
_POWERS = frozenset({"Abs", "Mul", "Pow", "Sub"})  # what is summed up in a variance

_ALWAYS_FLOAT32 = {"Resize": (1, 2)}  # engines take its region and scales in float32 alone


def float32_only(graph: Graph, node: onnx.NodeProto, index: int) -> bool:
    """Return whether an input of a node is float32 even where the node computes in half."""
    if index in _ALWAYS_FLOAT32.get(node.op_type, ()):
        return True
    allowed = _allowed_inputs(graph, node, index)
    return allowed is not None and "tensor(float16)" not in allowed


def _schema(graph: Graph, node: onnx.NodeProto) -> Any:
    if node.domain not in STANDARD_DOMAINS:
        return None
    try:
        return onnx.defs.get_schema(node.op_type, graph.opset, "")
    except onnx.defs.SchemaError:
        return None


def _allowed_inputs(graph: Graph, node: onnx.NodeProto, index: int) -> set[str] | None:
    schema = _schema(graph, node)
    if schema is None or not schema.inputs:
        return None
    # The last one stands for all that follow where an operator takes any number.
    return set(schema.inputs[min(index, len(schema.inputs) - 1)].types)


class _Keeper:
    """Collects the nodes that stay float32, with the first reason that was found."""

    def __init__(self, graph: Graph, ranges: Ranges | None) -> None:
        self.graph = graph
        self.ranges = ranges
        self.kept: dict[str, str] = {}
        self._statistics: set[str] = set()
        self._feeds: set[str] = set()

    def keep(self, node: onnx.NodeProto, reason: str) -> None:
        self.kept.setdefault(node.name, reason)

    def holds(self, node: onnx.NodeProto | None) -> bool:
        return node is not None and node.name in self.kept

    def floats(self, names: Iterator[str] | list[str]) -> list[str]:
        """Return those of the values that are computed or fed, and float32."""
        found = [name for name in names if name and not self.graph.is_constant(name)]
        return [name for name in found if self.graph.element(name) == TensorProto.FLOAT]

    def weights(self, node: onnx.NodeProto) -> Iterator[str]:
        """Yield the stored values that a node would read in half precision."""
        for index, name in enumerate(node.input):
            if not name or float32_only(self.graph, node, index):
                continue
            if self.graph.is_constant(name) and self.graph.element(name) == TensorProto.FLOAT:
                yield name

    # What cannot

    def by_type(self, node: onnx.NodeProto) -> None:
        made = self.floats(list(node.output))
        read = [name for name in node.input if name]
        elements = {self.graph.element(name) for name in read}
        if not made and TensorProto.FLOAT not in elements:
            return
        schema = _schema(self.graph, node)
        if schema is None:
            self.keep(node, "is no standard operator")
        elif made and TensorProto.FLOAT not in elements:
            self.keep(node, "makes float32 of something else")
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self.keep(node, "its scale is float32")
        elif made and "tensor(float16)" not in schema.outputs[0].types:
            self.keep(node, "has no half precision")
        elif any(
            float32_only(self.graph, node, index) and name in self.floats([name])
            for index, name in enumerate(node.input)
        ):
            self.keep(node, "reads float32 that is computed")

    # What is known to lose too much

    def by_operator(self, node: onnx.NodeProto) -> None:
        read = self.floats(list(node.input))
        made = self.floats(list(node.output))
        if not read or not made:
            return
        if node.op_type in _NORMS:
            self.keep(node, "normalises")
        elif node.op_type in _SUMS:
            self.keep(node, "sums many values up")
            self._statistics.update(made)
        elif self._is_root(node):
            self.keep(node, "takes a root or an inverse")
            self._statistics.update(made)
        elif node.op_type in _LIGHT and all(name in self._statistics for name in read):
            self.keep(node, "works on a norm's statistics")
            self._statistics.update(made)
        elif node.op_type in _ARITHMETIC and any(name in self._statistics for name in read):
            self.keep(node, "applies a norm's statistics")
        elif node.op_type == "Div" and node.input[1] in read:
            self.keep(node, "divides by what is computed")

    def _is_root(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Pow":
            exponent = self.graph.scalar(node.input[1])
            return exponent is None or exponent < 1 or exponent != int(exponent)
        return node.op_type in _ROOTS

    def what_feeds(self, node: onnx.NodeProto) -> None:
        """Keep what squares the values of a sum, and what makes a divisor or a root's argument.

        Nodes come in reverse order, so that what is found is followed further.
        """
        if node.op_type in _SUMS:
            self._feeding(node.input[:1], _POWERS)
        elif node.op_type == "Div":
            self._feeding(node.input[1:], _GUARDS | _PRODUCTS)
        elif self._is_root(node):
            self._feeding(node.input[:1], _GUARDS | _PRODUCTS)
        elif node.name in self._feeds:
            kinds = _PRODUCTS if node.op_type in _GUARDS else frozenset()
            self._feeding(node.input, _POWERS if node.op_type in _PRODUCTS else kinds)

    def _feeding(self, names: Iterable[str], kinds: frozenset[str]) -> None:
        for name in names:
            maker = self.graph.maker(name, *kinds) if kinds else None
            if maker is not None and self.graph.element(name) == TensorProto.FLOAT:
                self._feeds.add(maker.name)
                self.keep(maker, "makes what is summed up, rooted or divided by")

    # What was measured

    def by_values(self, node: onnx.NodeProto) -> None:
        if self.ranges is None:
            return
        for name in self.floats([*node.input, *node.output]):
            trouble = activation_trouble(self.ranges, name)
            if trouble:
                self.keep(node, f"'{name}' {trouble}")

    def by_weights(self, node: onnx.NodeProto) -> None:
        for name in self.weights(node):
            value = self.graph.constant(name) if not self.holds(node) else None
            # A bias is added to sums of many values, where its last digits do not count.
            bias = node.op_type in _LAYERS and name not in node.input[:2]
            trouble = (
                "" if value is None else overflow_trouble(value) if bias else weight_trouble(value)
            )
            if trouble:
                self.keep(node, f"weight '{name}' {trouble}")

    # What is not worth it

    def between(self, node: onnx.NodeProto) -> bool:
        """Keep a node that has nothing to gain among float32 neighbours; say whether it was."""
        if self.holds(node):
            return False
        read, made = self.floats(list(node.input)), self.floats(list(node.output))
        if not read or not made or any(name in self.graph.outputs for name in made):
            return False
        users = [user for name in made for user in self.graph.users(name)]
        stored = sum(4 * (value.size if value is not None else 0) for value in self._stored(node))
        if (
            stored > _SMALL_WEIGHT
            or not users
            or not all(self.holds(self.graph.maker(name)) for name in read)
            or not all(map(self.holds, users))
        ):
            return False
        self.keep(node, "lies between float32 neighbours")
        return True

    def _stored(self, node: onnx.NodeProto) -> Iterator[NDArray[Any] | None]:
        return (self.graph.constant(name) for name in self.weights(node))


def nodes_to_keep(graph: Graph, ranges: Ranges | None = None) -> dict[str, str]:
    """Say which nodes of a float32 model must stay float32.

    1. Operators that have no half precision, or make float32 of something else.
    2. Norms; sums, means and what they sum up; roots, inverses and divisions by what is computed,
       with what guards them against 0; all that works on a norm's statistics, and applies them.
    3. Nodes that read or make a value of which calibration saw more than a quarter of 65504, or
       that is mostly below 6.1e-5.
    4. Nodes whose weights overflow, become 0 for the most part, or lose digits, and layers whose
       bias overflows.
    5. Nodes without large weights all of whose neighbours stay.

    Args:
        graph: a model whose nodes have unique names; it is only read.
        ranges: what calibration saw; case 3 is left out without it.

    Returns:
        The reason by the node's name, in the order of the graph.
    """
    keeper = _Keeper(graph, ranges)
    nodes = [node for node in graph.nodes if node.op_type != "Constant"]
    for rule in (keeper.by_type, keeper.by_operator):
        for node in nodes:
            rule(node)
    for node in reversed(nodes):
        keeper.what_feeds(node)
    for rule in (keeper.by_values, keeper.by_weights):
        for node in nodes:
            rule(node)
    found = True
    while found:  # each one kept may complete the neighbours of another
        found = any(keeper.between(node) for node in nodes)
    return {node.name: keeper.kept[node.name] for node in nodes if node.name in keeper.kept}
