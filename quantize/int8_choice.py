"""Which nodes become 8-bit, and which have to stay float with them.

ONNX Runtime makes 8-bit whatever stands between DequantizeLinear and QuantizeLinear, also a layer
that was left float on purpose: it quantizes the weights itself, and by its own scales. So a layer
stays float only when one of its sides does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import onnx
from onnx import TensorProto

from quantize.errors import GraphError
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import STANDARD_DOMAINS, attributes
from quantize.recipes import FIRST, LAST, Recipe

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CLIPPING = ("Relu", "Clip")

# What only moves values about: both sides of it can have the very same integers.
MOVING = ("DepthToSpace", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
# Where the engine carries rounding from one side of a node to the other.
CARRYING = ("Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
MOVING_PADS = (b"reflect", b"edge", b"wrap")


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes 8-bit.

    Attributes:
        layers: names of the nodes with weights, in the graph's order.
        islands: names of the nodes without weights that join them.
        clipped: names of Relu and Clip that become part of the layer before them.
        left_float: layers that could be quantized, and are not: asked for, or pulled along.
        values: names of the activations that are rounded.
    """

    layers: tuple[str, ...]
    islands: tuple[str, ...]
    clipped: tuple[str, ...]
    left_float: tuple[str, ...]
    values: tuple[str, ...]


def only_moves(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node's output holds nothing but values of its first input (and zeros)."""
    values = attributes(node)
    if node.op_type == "Pad":
        return values.get("mode", b"constant") in MOVING_PADS or _pads_zeros(graph, node)
    if node.op_type == "Resize":
        return bool(values.get("mode", b"nearest") == b"nearest")
    return node.op_type in MOVING


def _pads_zeros(graph: Graph, node: onnx.NodeProto) -> bool:
    if len(node.input) < 3 or not node.input[2]:
        return True
    return graph.scalar(node.input[2]) == 0.0


def _is_factor(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a Conv is only a factor per channel, where 8 bits would save nothing."""
    if node.op_type != "Conv":
        return False
    shape = graph.static_shape(node.input[1]) or ()
    return shape[1:] == (1, 1, 1) and attributes(node).get("group", 1) == shape[0]


def _fits(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node's weight and bias are of the kind that the quantizer takes."""
    if node.domain not in STANDARD_DOMAINS or len(node.input) < 2 or len(node.output) != 1:
        return False
    if graph.is_constant(node.input[0]):
        return False
    stored = {tensor.name: tensor for tensor in graph.model.graph.initializer}
    weight = stored.get(node.input[1])
    if weight is None or weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2:
        return False
    if graph.element(node.input[0]) not in (0, TensorProto.FLOAT):
        return False
    if len(node.input) > 2 and node.input[2]:
        bias = stored.get(node.input[2])
        if bias is None or bias.data_type != TensorProto.FLOAT or len(bias.dims) != 1:
            return False
    if node.op_type == "Gemm":
        values = attributes(node)
        plain = values.get("alpha", 1.0) == 1.0 and values.get("beta", 1.0) == 1.0
        return plain and not values.get("transA", 0)
    return not _is_factor(graph, node)


def _closest(graph: Graph, ends: Iterable[str], names: set[str], forward: bool) -> set[str]:
    """Return the named nodes that are reached from values without passing another of them."""
    found: set[str] = set()
    seen: set[str] = set()
    wanted = list(ends)
    while wanted:
        value = wanted.pop()
        if not value or value in seen:
            continue
        seen.add(value)
        maker = graph.maker(value)
        nodes = graph.users(value) if forward else [maker] if maker is not None else []
        for node in nodes:
            if node.name in names:
                found.add(node.name)
            else:
                wanted.extend(node.output if forward else node.input)
    return found


def _fixed_float(graph: Graph, names: Iterable[str], patterns: Collection[str]) -> set[str]:
    """Return those of the names that a recipe's patterns keep float."""
    everything = set(names)
    fixed = {name for name in everything for pattern in patterns if fnmatchcase(name, pattern)}
    if FIRST in patterns:
        pictures = [name for name in graph.inputs if len(graph.shape(name) or ()) == 4]
        fixed |= _closest(graph, pictures, everything, forward=True)
    if LAST in patterns:
        fixed |= _closest(graph, graph.outputs, everything, forward=False)
    return fixed


def _index(graph: Graph) -> dict[str, onnx.NodeProto]:
    index: dict[str, onnx.NodeProto] = {}
    for node in graph.nodes:
        if node.op_type == "Constant" and not node.name:
            continue
        if not node.name or node.name in index:
            raise GraphError(
                f"node {node.name or node.output[0]!r} has no name of its own: "
                "quantize.modelfile.name_nodes gives every node one"
            )
        index[node.name] = node
    return index


def candidates(graph: Graph, recipe: Recipe) -> tuple[str, ...]:
    """Return the layers that a recipe would quantize, in the graph's order.

    1. An operator of `Recipe.operators` with a stored float32 weight and a stored 1-D bias.
    2. Not a factor per channel written as a depthwise 1x1 Conv.
    3. Not one that `Recipe.float_layers` keeps float.
    """
    _index(graph)
    able = [
        node.name
        for node in graph.nodes
        if node.op_type in recipe.operators and node.op_type in WEIGHTED and _fits(graph, node)
    ]
    fixed = _fixed_float(graph, able, recipe.float_layers)
    return tuple(name for name in able if name not in fixed)


def cost(graph: Graph, node: onnx.NodeProto) -> int:
    """Return how many multiply-adds a layer takes; its weights alone where shapes are unknown."""
    weights = math.prod(graph.static_shape(node.input[1]) or (1,))
    shape = graph.static_shape(node.output[0]) or ()
    if node.op_type == "ConvTranspose":
        shape = graph.static_shape(node.input[0]) or ()
    return weights * math.prod(shape[2:])


class _Chooser:
    def __init__(self, graph: Graph, recipe: Recipe, chosen: Iterable[str]) -> None:
        self.graph = graph
        self.recipe = recipe
        self.index = _index(graph)
        self.chosen = set(chosen)
        self.clipped: set[str] = set()
        self.islands: set[str] = set()

    def find_clipped(self) -> None:
        """Find Relu and Clip that the layer's own rounding does, so that they cost no bits."""
        self.clipped = set()
        if self.recipe.activation_symmetric or not self.recipe.quantize_outputs:
            return
        for name in self.chosen:
            node = self.graph.only_user(self.index[name].output[0])
            if node is not None and node.op_type in CLIPPING and self._clips_by_rounding(node):
                self.clipped.add(node.name)

    def _clips_by_rounding(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Relu":
            return True
        bounds = [self.graph.scalar(name) for name in node.input[1:] if name]
        # The range must reach from bound to bound for the rounding to clip there.
        return len(bounds) == 2 and bounds[0] == 0.0 and bounds[1] is not None and bounds[1] > 0

    def _data_inputs(self, node: onnx.NodeProto) -> list[str] | None:
        """Return an island's inputs that carry values; None when it cannot join."""
        graph = self.graph
        if node.op_type in ("Pad", "Resize", "Reshape", "Slice", "Squeeze", "Unsqueeze", "Split"):
            if node.op_type == "Pad" and not only_moves(graph, node):
                return None
            if node.op_type == "Pad" and len(node.input) > 2 and node.input[2]:
                return None  # the quantizer would quantize the padded zero too
            return [node.input[0]]
        if node.op_type == "Clip":
            return [node.input[0]]
        names = [name for name in node.input if name]
        return None if any(graph.is_constant(name) for name in names) else names

    def find_islands(self) -> None:
        """Find what has quantized layers (or other islands) on all sides."""
        graph = self.graph
        taken = self.chosen | self.clipped
        able = {
            node.name: inputs
            for node in graph.nodes
            if node.op_type in self.recipe.islands
            and node.name not in taken
            and (inputs := self._data_inputs(node)) is not None
            and not any(name in graph.outputs for name in node.output)
        }
        while True:
            inside = taken | set(able)
            leaving = [
                name for name, inputs in able.items() if not self._inside(name, inputs, inside)
            ]
            if not leaving:
                break
            for name in leaving:
                del able[name]
        self.islands = set(able)

    def _inside(self, name: str, inputs: list[str], inside: set[str]) -> bool:
        graph = self.graph
        makers = [graph.maker(value) for value in inputs]
        users = [user for value in self.index[name].output for user in graph.users(value)]
        return (
            bool(users)
            and all(maker is not None and maker.name in inside for maker in makers)
            and all(user.name in inside for user in users)
        )

    def quantized_values(self) -> set[str]:
        """Return the activations that get QuantizeLinear and DequantizeLinear."""
        values: set[str] = set()
        for name in self.chosen:
            node = self.index[name]
            values.add(node.input[0])
            if self.recipe.quantize_outputs:
                values.add(self._result(node))
        for name in self.islands:
            node = self.index[name]
            values.update(self._data_inputs(node) or [])
            values.update(node.output)
        return values

    def _result(self, node: onnx.NodeProto) -> str:
        """Return the value that a layer gives, behind a Relu that is part of it."""
        user = self.graph.only_user(node.output[0])
        if user is not None and user.name in self.clipped:
            return str(user.output[0])
        return str(node.output[0])

    def _layer_before(self, value: str, values: set[str]) -> onnx.NodeProto | None:
        """Return the quantized layer whose rounded result a float layer reads, if it does."""
        maker = self.graph.maker(value)
        while value not in values and maker is not None and maker.op_type in CARRYING:
            value = str(maker.input[0])
            maker = self.graph.maker(value)
        if value not in values:
            return None
        if maker is not None and maker.name in self.clipped:
            maker = self.graph.maker(maker.input[0])
        return maker if maker is not None and maker.name in self.chosen else None

    def _layers_behind(self, node: onnx.NodeProto, values: set[str]) -> list[onnx.NodeProto]:
        """Return the quantized layers that make the engine round a float layer's result."""
        result = str(node.output[0])
        user = self.graph.only_user(result)
        while user is not None and result not in values and user.op_type in CLIPPING + CARRYING:
            result = str(user.output[0])
            user = self.graph.only_user(result)
        if result not in values:
            return []
        return [user for user in self.graph.users(result) if user.name in self.chosen]

    def pulled_in(self) -> set[str]:
        """Return the layers to leave float so that a float layer does not become 8-bit after all.

        That layer reads the rounded result of a quantized layer, and its own result is rounded for
        another: the cheaper side stays float too.
        """
        values = self.quantized_values()
        for node in self.graph.nodes:
            if node.op_type not in WEIGHTED or node.name in self.chosen:
                continue
            before = self._layer_before(node.input[0], values)
            behind = self._layers_behind(node, values)
            if before is not None and behind:
                sides = [[before], behind]
                side = min(sides, key=lambda nodes: sum(cost(self.graph, one) for one in nodes))
                return {one.name for one in side}
        return set()


def choose(graph: Graph, recipe: Recipe, float_layers: Collection[str]) -> Choice:
    """Choose what becomes 8-bit.

    1. The candidates of the recipe without `float_layers`.
    2. Relu, and Clip from 0, join the layer before them where nothing else reads that layer: the
       rounding clips.
    3. Operators of `Recipe.islands` join where both sides of them are quantized.
    4. A float layer that reads a quantized layer's result and is read by another: the cheaper of
       the two stays float too (see above), and so on.

    Args:
        graph: the float model; not edited.
        recipe: what is quantized.
        float_layers: names of nodes that stay float.

    Raises:
        GraphError: there is no node of such a name, or nodes share a name.
    """
    able = candidates(graph, recipe)
    unknown = sorted(set(float_layers) - set(_index(graph)))
    if unknown:
        raise GraphError(f"no node {unknown[0]!r} to leave float: the model has none of that name")
    chooser = _Chooser(graph, recipe, set(able) - set(float_layers))
    while True:
        chooser.find_clipped()
        chooser.find_islands()
        leaving = chooser.pulled_in()
        if not leaving:
            break
        chooser.chosen -= leaving
    order = [node.name for node in graph.nodes]
    return Choice(
        layers=tuple(name for name in order if name in chooser.chosen),
        islands=tuple(name for name in order if name in chooser.islands),
        clipped=tuple(name for name in order if name in chooser.clipped),
        left_float=tuple(name for name in able if name not in chooser.chosen),
        values=tuple(sorted(chooser.quantized_values())),
    )
