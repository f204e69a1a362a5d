"""Weights in 8 bits: scales, zero points, and the integers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.model import attributes

LARGEST = 127  # of 8 bits; -128 is left out, so that every weight has its negative
LARGEST_PAIR = 128  # of two neighbours of one sign: 255 * 128 fits into 16 bits

_TINY = float(np.finfo(np.float32).tiny)
_LARGEST_BIAS = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedWeight:
    """A weight in 8 bits: (values - zero_point) * scale is about what it was.

    Attributes:
        values: int8 or uint8, of the weight's shape.
        scale: float32 (C,) per channel along `axis`, or ().
        zero_point: of the type of `values` and the shape of `scale`.
        axis: the axis of the channels; None when one scale is for all.
    """

    values: NDArray[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[Any]
    axis: int | None


def channel_axis(node: onnx.NodeProto) -> int | None:
    """Return the axis of a layer's weight that its output channels lie on; None when it has none.

    The weight of a grouped ConvTranspose has no such axis.
    """
    values = attributes(node)
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if values.get("group", 1) == 1 else None
    if node.op_type == "Gemm":
        return 0 if values.get("transB", 0) else 1
    return 1


def _along(scale: NDArray[np.float32], axis: int | None, rank: int) -> NDArray[np.float32]:
    if axis is None:
        return scale
    return scale.reshape([-1 if index == axis else 1 for index in range(rank)])


def peaks(weight: NDArray[np.float32], axis: int | None) -> NDArray[np.float32]:
    """Return float32 (C,), or () without an axis: the largest magnitude of each channel."""
    others = tuple(index for index in range(weight.ndim) if index != axis)
    # The smallest and the largest, because magnitudes would be a copy of the weight.
    low, high = weight.min(axis=others), weight.max(axis=others)
    return np.asarray(np.maximum(np.abs(low), np.abs(high)), np.float32)


def _as_added_up(weight: NDArray[np.float32], node: onnx.NodeProto) -> NDArray[np.float32] | None:
    """Return (C, K) weights in the order in which kernels add up; None where pairs do not arise."""
    if node.op_type == "Conv":
        group = attributes(node).get("group", 1)
        if weight.shape[1] == 1 and group == weight.shape[0]:
            return None  # depthwise kernels add up in 32 bits
        return np.moveaxis(weight, 1, -1).reshape(len(weight), -1)
    if node.op_type == "ConvTranspose":
        return None  # has no integer kernel
    return weight if channel_axis(node) == 0 else weight.T


def pair_peaks(
    weight: NDArray[np.float32], node: onnx.NodeProto, axis: int | None
) -> NDArray[np.float32]:
    """Return the magnitude of each channel that becomes 127 at most, so that no kernel saturates.

    x86 kernels without VNNI multiply two neighbouring weights by unsigned activations and add both
    products in 16 bits: 255 * (a + b) must stay below 32768. Half of the range for every weight
    is the usual cure; it is enough that no two neighbours of one sign add up to more than 128.

    Args:
        weight: float32.
        node: the layer that reads it.
        axis: of its channels; None for one magnitude for all.

    Returns:
        float32 (C,), or () without an axis.
    """
    rows = _as_added_up(weight, node)
    found = peaks(weight, axis)
    if rows is None:
        return found
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    first, second = rows[:, 0::2], rows[:, 1::2]
    above = np.maximum(first, 0) + np.maximum(second, 0)
    below = np.minimum(first, 0) + np.minimum(second, 0)
    sums = np.maximum(above.max(axis=1), -below.min(axis=1))
    largest: NDArray[np.float32] = np.maximum(found, sums if axis is not None else sums.max())
    return largest.astype(np.float32)


def smallest_scale(
    bias: NDArray[np.float32] | None, input_scale: float
) -> NDArray[np.float32] | float:
    """Return what a weight's scale may not fall below, for its bias to fit into 32 bits.

    Args:
        bias: float32 (C,), or None where there is none.
        input_scale: of what the layer reads.
    """
    if bias is None:
        return _TINY
    room = np.abs(bias).astype(np.float64) * 1.001 / _LARGEST_BIAS / input_scale
    return np.maximum(room, _TINY).astype(np.float32)


def quantize_weight(
    weight: NDArray[np.float32],
    axis: int | None,
    *,
    kind: Literal["s8", "u8"] = "s8",
    limits: NDArray[np.float32] | None = None,
    floor: NDArray[np.float32] | float = _TINY,
) -> QuantizedWeight:
    """Round a weight to 8 bits.

    Args:
        weight: float32, of any shape.
        axis: that of the channels, each of which gets a scale; None gives one scale for all.
        kind: "s8" is symmetric about 0; "u8" reaches from the smallest to the largest value, and
            takes no axis.
        limits: float32 (C,), or () without an axis: what becomes 127; the largest magnitudes when
            not given. Signed integers alone.
        floor: float32 (C,) or one number: smallest scale.
    """
    if kind == "u8":
        return _asymmetric(weight, float(np.max(floor)))
    limits = peaks(weight, axis) if limits is None else limits
    lowest = floor if axis is not None else float(np.max(floor))
    scale = np.maximum(limits / np.float32(LARGEST), lowest).astype(np.float32)
    scale = np.where(limits == 0, np.maximum(np.float32(1.0), lowest), scale).astype(np.float32)
    integers = weight / _along(scale, axis, weight.ndim)
    np.rint(integers, out=integers)
    np.clip(integers, -LARGEST, LARGEST, out=integers)
    return QuantizedWeight(integers.astype(np.int8), scale, np.zeros(scale.shape, np.int8), axis)


def _asymmetric(weight: NDArray[np.float32], floor: float) -> QuantizedWeight:
    steps = 255
    low, high = min(float(weight.min()), 0.0), max(float(weight.max()), 0.0)
    scale = np.float32(max((high - low) / steps, floor) if high > low else max(1.0, floor))
    zero = np.clip(np.rint(-low / scale), 0, steps)
    integers = np.clip(np.rint(weight / scale) + zero, 0, steps)
    return QuantizedWeight(
        integers.astype(np.uint8), np.asarray(scale), np.asarray(zero, np.uint8), None
    )
