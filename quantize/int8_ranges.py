"""The range of each activation that becomes 8-bit: rounding against clipping."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.calibrate import Ranges
from quantize.int8_choice import only_moves
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.recipes import Recipe

Floats = NDArray[np.float64]
Range = tuple[float, float]

# Rounding touches all pictures alike, but what is clipped belongs to one: the worst of them.
# Measured on the reference swapper, worst of 12 pictures: 46.0 dB with 1, 50.2 with 16, and 48.2
# without any clipping.
CLIPPED = 16.0

# Ends of a range that are tried, as shares of the outermost value; the outermost comes first.
_SHARES = (*np.linspace(1.0, 0.6, 21), *np.linspace(0.55, 0.05, 11))
_ROUNDS = 2  # over the upper and the lower end in turn


def _same(x: Floats) -> Floats:
    return x


def _activation(graph: Graph, node: onnx.NodeProto) -> Callable[[Floats], Floats] | None:
    """Return what an activation function computes; None for another node."""
    if node.op_type == "Relu":
        return lambda x: np.maximum(x, 0.0)
    if node.op_type == "Tanh":
        return np.tanh
    if node.op_type == "Sigmoid":
        return lambda x: 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))
    slope: float | None = None
    if node.op_type == "LeakyRelu":
        slope = float(attributes(node).get("alpha", 0.01))
    elif node.op_type == "PRelu":
        slopes = graph.constant(node.input[1])
        # One slope stands for those of all channels: the one of the same squared error.
        slope = None if slopes is None else float(np.sqrt(np.mean(np.square(slopes))))
    if slope is None:
        return None
    return lambda x: np.where(x < 0, slope * x, x)


def behind(graph: Graph, value: str) -> Callable[[Floats], Floats]:
    """Return the activation function through which alone a value is seen; the identity if none.

    What it flattens may be rounded and clipped the more: LeakyRelu makes errors below zero small,
    Tanh and Sigmoid those far out.
    """
    user = graph.only_user(value)
    if user is None or user.input[0] != value:
        return _same
    return _activation(graph, user) or _same


def squared_error(
    counts: Floats, centres: Floats, seen: Callable[[Floats], Floats], ends: Range, levels: int
) -> float:
    """Return the squared error that rounding to a range makes, summed over a histogram.

    That of values outside the range counts `CLIPPED` times.

    Args:
        counts: float64 (N,) how many values there are.
        centres: float64 (N,) what they are.
        seen: the function through which the values are seen.
        ends: the range; 0 must lie within.
        levels: steps in the range: 255 for 8 bits.
    """
    low, high = ends
    step = (high - low) / levels
    zero = np.round(-low / step)
    rounded = (np.clip(np.round(centres / step) + zero, 0, levels) - zero) * step
    errors = np.square(seen(rounded) - seen(centres))
    outside = (centres < low) | (centres > high)
    return float(counts @ errors + (CLIPPED - 1.0) * (counts[outside] @ errors[outside]))


def least_error(
    histogram: tuple[NDArray[np.int64], float],
    ends: Range,
    seen: Callable[[Floats], Floats],
    *,
    symmetric: bool,
    levels: int = 255,
) -> Range:
    """Return the range within `ends` that makes the least squared error.

    Args:
        histogram: counts and edge of a symmetric histogram, as calibration makes it.
        ends: smallest and largest value that were seen.
        seen: the function through which the values are seen.
        symmetric: whether the range must reach as far below zero as above.
        levels: steps in the range.
    """
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    if low == high:
        return low, high
    all_counts, edge = histogram
    width = 2 * edge / len(all_counts)
    all_centres = -edge + width * (np.arange(len(all_counts)) + 0.5)
    held = np.flatnonzero(all_counts)
    counts = all_counts[held].astype(np.float64)
    centres = np.clip(all_centres[held], low, high)

    def error(a: float, b: float) -> float:
        return squared_error(counts, centres, seen, (a, b), levels)

    if symmetric:
        reach = max(-low, high)
        share = min(_SHARES, key=lambda part: error(-part * reach, part * reach))
        return -share * reach, share * reach
    best = low, high
    for _ in range(_ROUNDS):
        a, b = best
        b = min((part * high for part in _SHARES), key=lambda end: error(a, end)) if high else b
        a = min((part * low for part in _SHARES), key=lambda end: error(end, b)) if low else a
        if (a, b) == best:
            break
        best = a, b
    return best


def _measured(graph: Graph, value: str, ranges: Ranges, recipe: Recipe) -> Range:
    if recipe.method != "mse":
        low, high = ranges.of(value, recipe.method, recipe.percentile)
    else:
        seen = ranges.of(value, "minmax")
        low, high = least_error(
            ranges.histograms[value],
            seen,
            behind(graph, value),
            symmetric=recipe.activation_symmetric,
        )
    return min(low, 0.0), max(high, 0.0)


def _origin(graph: Graph, value: str, values: Collection[str]) -> str:
    """Return the quantized value that a quantized value is only a rearrangement of."""
    found = value
    while True:
        maker = graph.maker(value)
        if maker is None or not only_moves(graph, maker):
            return found
        value = str(maker.input[0])
        if value in values:
            found = value


def activation_ranges(
    graph: Graph, values: Collection[str], ranges: Ranges, recipe: Recipe
) -> dict[str, Range]:
    """Return the range of each activation that is quantized.

    1. Chosen by the recipe's method, and with 0 inside.
    2. What is only moved about (Pad, Slice, nearest Resize, ...) between two quantized values has
       one range on both sides: being rounded a second time then changes nothing.

    Args:
        graph: the float model.
        values: names of the activations.
        ranges: what calibration saw.
        recipe: says how.

    Raises:
        CalibrationError: nothing was measured of one of them.
    """
    found: dict[str, Range] = {}
    for value in values:
        origin = _origin(graph, value, values)
        if origin not in found:
            found[origin] = _measured(graph, origin, ranges, recipe)
        found[value] = found[origin]
    return found


def input_scale(ends: Range, recipe: Recipe) -> float:
    """Return the scale that the quantizer gives an activation of a range."""
    low, high = ends
    if recipe.activation_symmetric:
        steps = 254 if recipe.activations == "s8" else 255
        scale = 2 * max(-low, high) / steps
    else:
        scale = (high - low) / 255
    return scale if scale >= np.finfo(np.float32).tiny else 1.0


def as_tensor_data(ends: Range) -> Any:
    """Return a range as ONNX Runtime's quantizer takes it."""
    from onnxruntime.quantization.calibrate import TensorData

    return TensorData(lowest=np.float32(ends[0]), highest=np.float32(ends[1]))
