"""Float layers that compute on whole numbers, so that every processor gives the same bits.

A convolution in float32 adds up in an order of the processor's own, and so its last bits differ.
Sums of whole numbers below 2^24 are exact in float32, in any order. So a layer that an 8-bit model
has in float is given whole numbers: of its input and of its weights, with as many steps as the
sums leave room for, which are more than 8 bits have. What follows is one operation per number,
which IEEE 754 rounds alike everywhere; and the 8-bit layers compute integers anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.int8_choice import WEIGHTED
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes

if TYPE_CHECKING:
    from quantize.calibrate import Ranges

__all__ = ["Wholly", "with_whole_sums"]

_EXACT = 2.0**24
"""Whole numbers up to here are float32 numbers."""

_LEVELS = 255
"""Steps of a picture: multiples of it keep a picture's own levels."""

# An input's rounding costs more than the weights', so that it gets the room. Of the reference
# swapper, mean of 24 held-out pictures: 52.9 dB with 510 steps of the input and 954 of the weights,
# 53.9 dB with 1530 and 397, 54.2 dB with 2550 and 238.
_WEIGHTS = 255  # steps of the weights on each side of zero, at least
_MOST_WEIGHTS = 4095
_MOST_TIMES = 16  # as many steps of the input as a picture has levels
_PICTURE_TIMES = 4  # of a picture itself: those of [0, 1] and of [-1, 1] are all among them


@dataclass(frozen=True, slots=True)
class Wholly:
    """What was done.

    Attributes:
        layers: names of the layers that compute on whole numbers now, in the graph's order.
        left: names of the float layers that do not: their sums are too long, or they are no Conv.
    """

    layers: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Whole numbers in place of a layer's own.

    Attributes:
        per_one: steps of the input to 1.
        weights: float32 (C, ...) whole numbers.
        bias: float32 (C,) whole numbers.
        divisor: float32 (1, C, 1, 1): what the sums are divided by to be the layer's own.
    """

    per_one: float
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    divisor: NDArray[np.float32]


def with_whole_sums(model: onnx.ModelProto, before: onnx.ModelProto, ranges: Ranges) -> Wholly:
    """Let float convolutions of an 8-bit model compute on whole numbers, in place.

    1. Conv with stored float32 weights, whose sums leave room for so many steps -> Mul, Round,
       the same Conv on whole numbers, Div.
    2. Other Conv, and Gemm, MatMul, ConvTranspose with float sums: left alone, and named.

    Args:
        model: an 8-bit one, its nodes named as in `before`; edited in place.
        before: the float model that it was made of.
        ranges: what calibration saw of that.
    """
    graph, origin = Graph(model), {node.name: node for node in before.graph.node}
    done, left = [], []
    for node in list(graph.nodes):
        if node.op_type not in WEIGHTED:
            continue
        if all(_rounded(graph, name) for name in node.input[:2]) or graph.is_constant(
            node.input[0]
        ):
            continue
        steps = None
        if node.op_type == "Conv" and node.name in origin:
            steps = _steps_of(graph, node, _reach(ranges, origin[node.name].input[0]))
        if steps is None:
            left.append(node.name)
            continue
        _write(graph, node, steps)
        done.append(node.name)
    graph.finish()
    return Wholly(tuple(done), tuple(left))


def _rounded(graph: Graph, name: str) -> bool:
    return graph.maker(name, "DequantizeLinear") is not None


def _reach(ranges: Ranges, value: str) -> NDArray[np.float64]:
    """Return how far each channel of a value goes from zero, float64 (C,) or (1,)."""
    if value in ranges.channels:
        low, high = ranges.channels[value]
        return np.maximum(-low, high).astype(np.float64)
    both = ranges.of(value, "minmax")
    return np.array([max(-both[0], both[1])])


def _steps_of(graph: Graph, node: onnx.NodeProto, reach: NDArray[np.float64]) -> _Steps | None:
    """Choose the steps of a Conv whose input reaches so far from zero; None where there is no room.

    Room is 2^24 for the largest value of each channel in one place, and the worst signs: pictures
    come to a fraction of that, also where they go beyond what calibration saw.
    """
    weights = graph.constant(node.input[1])
    given = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if weights is None or weights.dtype != np.float32 or weights.ndim != 4 or reach.max() <= 0:
        return None
    if len(node.input) > 2 and node.input[2] and given is None:
        return None
    values = weights.astype(np.float64)
    bias = np.zeros(len(values)) if given is None else given.astype(np.float64)
    largest = np.maximum(np.abs(values).max(axis=(1, 2, 3)), np.finfo(np.float32).tiny)
    farthest = float(reach.max())
    if attributes(node).get("group", 1) != 1 or len(reach) not in (1, values.shape[1]):
        reach = np.array([farthest])
    # To how many products of largest weight and largest input an output comes.
    sums = (np.abs(values).sum(axis=(2, 3)) * reach).sum(axis=1) + np.abs(bias)
    room = 0.98 * _EXACT / float((sums / (largest * farthest)).max())  # rounding has 2 %
    limit = _PICTURE_TIMES if node.input[0] in graph.inputs else _MOST_TIMES
    times = min(limit, int(room / (_LEVELS * _WEIGHTS)))
    if times < 1:
        return None
    most = min(_MOST_WEIGHTS, int(room / (_LEVELS * times)))
    per_one = _LEVELS * times / farthest
    scale = most / largest
    return _Steps(
        per_one,
        np.rint(values * scale[:, None, None, None]).astype(np.float32),
        np.rint(bias * scale * per_one).astype(np.float32),
        (scale * per_one).astype(np.float32).reshape(1, -1, 1, 1),
    )


def _write(graph: Graph, node: onnx.NodeProto, steps: _Steps) -> None:
    """Put a Conv on whole numbers in the place of a Conv."""
    source, result = str(node.input[0]), str(node.output[0])
    per_one = graph.store(np.array(steps.per_one, np.float32), f"{node.name}_steps")
    scaled = graph.add("Mul", [source, per_one], hint=f"{node.name}_in")
    whole = graph.add("Round", [scaled], hint=f"{node.name}_in")
    inputs = [
        whole,
        graph.store(steps.weights, f"{node.name}_whole"),
        graph.store(steps.bias, f"{node.name}_bias"),
    ]
    graph.remove(node)
    kept = attributes(node)
    sums = graph.add("Conv", inputs, hint=node.name, **kept)
    # Not a Mul: engines fold that into the weights, which would be whole no more.
    divisor = graph.store(steps.divisor, f"{node.name}_divisor")
    graph.add("Div", [sums, divisor], output=result)
