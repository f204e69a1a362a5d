"""Recognise a decomposed instance norm, in the spellings that exporters write.

Each function reads backwards from a value and says what it is of which x, or None. A value is
never taken for what it almost is: `c / (sqrt(v) + epsilon)` is not an instance norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes


@dataclass(frozen=True, slots=True)
class Spread:
    """factor * variance(source) + epsilon."""

    source: str
    factor: float = 1.0
    epsilon: float = 0.0


def operands(node: onnx.NodeProto) -> list[tuple[str, str]]:
    """Return the two inputs of a commutative node in both orders."""
    first, second = node.input[0], node.input[1]
    return [(first, second), (second, first)]


def _axes(graph: Graph, node: onnx.NodeProto) -> list[int] | None:
    given = attributes(node).get("axes")
    if given is not None:
        return [int(axis) for axis in given]
    if len(node.input) > 1 and node.input[1]:
        stored = graph.constant(node.input[1])
        return None if stored is None else [int(axis) for axis in stored.ravel()]
    return None


def _is_spatial(graph: Graph, node: onnx.NodeProto, name: str) -> bool:
    """Return whether a node reduces (or restores) all axes from the third on."""
    shape, axes = graph.shape(name), _axes(graph, node)
    if shape is None or axes is None or len(shape) < 3:
        return False
    rank = len(shape)
    return {axis % rank for axis in axes} == set(range(2, rank)) and len(axes) == rank - 2


def _places(graph: Graph, name: str) -> int | None:
    shape = graph.shape(name)
    if shape is None:
        return None
    sides = [size for size in shape[2:] if size is not None]
    return math.prod(sides) if len(sides) == len(shape) - 2 else None


def _statistic(graph: Graph, name: str) -> str:
    """Look through what only adds or drops axes of size 1 behind the channels."""
    node = graph.maker(name, "Reshape", "Unsqueeze", "Squeeze")
    while node is not None:
        small, large = graph.shape(node.input[0]), graph.shape(name)
        if small is None or large is None or small[:2] != large[:2]:
            break
        if len(small) < 2 or any(size != 1 for size in (*small[2:], *large[2:])):
            break
        name = node.input[0]
        node = graph.maker(name, "Reshape", "Unsqueeze", "Squeeze")
    return name


def _whole(graph: Graph, name: str) -> str:
    """Look through what only lays the places of x out in one row."""
    node = graph.maker(name, "Reshape")
    if node is None:
        return name
    shape, flat = graph.shape(node.input[0]), graph.shape(name)
    if shape is None or flat is None or len(flat) != 3 or len(shape) < 3 or shape[0] is None:
        return name
    return str(node.input[0]) if shape[1] is not None and shape[:2] == flat[:2] else name


def _is_column(graph: Graph, name: str, partner: str) -> bool:
    """Return whether a value holds one number per channel, and lines up with its partner."""
    shape, other = graph.shape(name), graph.shape(partner)
    if shape is None or other is None or len(shape) != len(other):
        return False
    return all(size == 1 for size in shape[2:])


def _reduced(graph: Graph, name: str, *kinds: str) -> str | None:
    """Return x when a value is x reduced over its places, whether or not the axes are kept."""
    node = graph.maker(name, *kinds)
    if node is None or not _is_spatial(graph, node, node.input[0]):
        return None
    return str(node.input[0])


def mean_of(graph: Graph, name: str) -> str | None:
    """Return x when a value is the mean of x over its places."""
    name = _statistic(graph, name)
    pooled = graph.maker(name, "GlobalAveragePool")
    if pooled is not None:
        return _whole(graph, pooled.input[0])
    direct = _reduced(graph, name, "ReduceMean")
    if direct is not None:
        return _whole(graph, direct)
    divided = graph.maker(name, "Div")
    if divided is not None:
        source = _reduced(graph, _statistic(graph, divided.input[0]), "ReduceSum")
        count = graph.scalar(divided.input[1])
        if source is not None and count is not None and count == _places(graph, source):
            return _whole(graph, source)
    return None


def centred_of(graph: Graph, name: str) -> str | None:
    """Return x when a value is x minus its mean."""
    node = graph.maker(name, "Sub")
    if node is not None:
        return _minus_mean(graph, node.input[0], node.input[1], node.input[1])
    node = graph.maker(name, "Add")
    for value, other in operands(node) if node is not None else ():
        negative = graph.maker(other, "Neg")
        found = None
        if negative is not None:
            found = _minus_mean(graph, value, negative.input[0], other)
        if found is not None:
            return found
    return None


def _minus_mean(graph: Graph, value: str, mean: str, column: str) -> str | None:
    source = _whole(graph, value)
    return source if _is_column(graph, column, value) and mean_of(graph, mean) == source else None


def _square_of(graph: Graph, name: str) -> str | None:
    node = graph.maker(name, "Mul", "Pow")
    if node is None:
        return None
    if node.op_type == "Mul":
        if node.input[0] == node.input[1]:
            return str(node.input[0])
        # The same difference, computed twice.
        source = centred_of(graph, node.input[0])
        again = centred_of(graph, node.input[1])
        return str(node.input[0]) if source is not None and source == again else None
    return str(node.input[0]) if graph.scalar(node.input[1]) == 2 else None


def _plain_variance(graph: Graph, name: str) -> Spread | None:
    name = _statistic(graph, name)
    squares = mean_of(graph, name)
    inside = _square_of(graph, squares) if squares is not None else None
    source = centred_of(graph, inside) if inside is not None else None
    if source is not None:
        return Spread(source)
    summed = _reduced(graph, name, "ReduceSum")
    inside = _square_of(graph, summed) if summed is not None else None
    if summed is None:
        inside = _reduced(graph, name, "ReduceSumSquare")
    source = centred_of(graph, inside) if inside is not None else None
    if source is not None:
        count = _places(graph, source)
        return None if count is None else Spread(source, float(count))
    return _difference_of_means(graph, name)


def _difference_of_means(graph: Graph, name: str) -> Spread | None:
    """mean(x * x) - mean(x) * mean(x)."""
    node = graph.maker(name, "Sub")
    if node is None:
        return None
    squares = mean_of(graph, node.input[0])
    source = _square_of(graph, squares) if squares is not None else None
    mean = _square_of(graph, node.input[1])
    if source is not None and mean is not None and mean_of(graph, mean) == source:
        return Spread(source)
    return None


def variance_of(graph: Graph, name: str) -> Spread | None:
    """Return x when a value is x's variance, times a constant (unbiased estimates), plus one."""
    name = _statistic(graph, name)
    found = _plain_variance(graph, name)
    if found is not None:
        return found
    node = graph.maker(name, "Add", "Mul", "Div")
    if node is None:
        return None
    pairs = operands(node) if node.op_type != "Div" else [(node.input[0], node.input[1])]
    for value, other in pairs:
        number = graph.scalar(other)
        inner = variance_of(graph, value) if number is not None else None
        if inner is None or number is None:
            continue
        if node.op_type == "Add":
            return Spread(inner.source, inner.factor, inner.epsilon + number)
        by = number if node.op_type == "Mul" else 1 / number
        return Spread(inner.source, inner.factor * by, inner.epsilon * by)
    return None


def deviation_of(graph: Graph, name: str) -> Spread | None:
    """Return the variance of which a value is the square root."""
    node = graph.maker(_statistic(graph, name), "Sqrt", "Pow")
    if node is None or (node.op_type == "Pow" and graph.scalar(node.input[1]) != 0.5):
        return None
    return variance_of(graph, node.input[0])


def inverse_deviation_of(graph: Graph, name: str) -> Spread | None:
    """Return the variance of which a value is one over the square root."""
    node = graph.maker(_statistic(graph, name), "Reciprocal", "Div", "Pow")
    if node is None:
        return None
    if node.op_type == "Reciprocal":
        return deviation_of(graph, node.input[0])
    if node.op_type == "Div":
        return deviation_of(graph, node.input[1]) if graph.scalar(node.input[0]) == 1 else None
    return variance_of(graph, node.input[0]) if graph.scalar(node.input[1]) == -0.5 else None


def normalised_of(graph: Graph, node: onnx.NodeProto) -> Spread | None:
    """Return the variance by whose root a node divides the centred x of that same variance."""
    if node.op_type not in ("Div", "Mul"):
        return None
    dividing = node.op_type == "Div"
    pairs = [(node.input[0], node.input[1])] if dividing else operands(node)
    for centred, root in pairs:
        found = deviation_of(graph, root) if dividing else inverse_deviation_of(graph, root)
        if found is None or found.factor <= 0 or not _is_column(graph, root, found.source):
            continue
        # In one row, the result would have another shape than x.
        in_place = graph.shape(centred) == graph.shape(found.source)
        if in_place and centred_of(graph, centred) == found.source:
            return found
    return None
