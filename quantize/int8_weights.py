"""Weights in 8 bits: scales, zero points, and the integers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.model import attributes

FULL = 127  # largest weight of 8 bits; -128 is left out, so that it has its negative
REDUCED = 64  # the largest that x86 kernels without VNNI can add up in pairs

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


def _channel_peaks(weight: NDArray[np.float32], axis: int | None) -> NDArray[np.float32]:
    """Return float32 (C,), or (), largest magnitudes; without a copy of the weight."""
    others = tuple(index for index in range(weight.ndim) if index != axis)
    low, high = weight.min(axis=others), weight.max(axis=others)
    return np.asarray(np.maximum(np.abs(low), np.abs(high)), np.float32)


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
    largest: int = FULL,
    floor: NDArray[np.float32] | float = _TINY,
) -> QuantizedWeight:
    """Round a weight to 8 bits.

    Args:
        weight: float32, of any shape.
        axis: that of the channels, each of which gets a scale; None gives one scale for all.
        kind: "s8" is symmetric about 0; "u8" reaches from the smallest to the largest value, and
            takes no axis.
        largest: largest magnitude of the signed integers; half of the steps of the unsigned ones.
        floor: float32 (C,) or one number: smallest scale.
    """
    if kind == "u8":
        return _asymmetric(weight, 2 * largest + 1, float(np.max(floor)))
    peaks = _channel_peaks(weight, axis)
    lowest = floor if axis is not None else float(np.max(floor))
    scale = np.maximum(peaks / np.float32(largest), lowest).astype(np.float32)
    scale = np.where(peaks == 0, np.maximum(np.float32(1.0), lowest), scale).astype(np.float32)
    integers = weight / _along(scale, axis, weight.ndim)
    np.rint(integers, out=integers)
    np.clip(integers, -largest, largest, out=integers)
    return QuantizedWeight(integers.astype(np.int8), scale, np.zeros(scale.shape, np.int8), axis)


def _asymmetric(weight: NDArray[np.float32], steps: int, floor: float) -> QuantizedWeight:
    low, high = min(float(weight.min()), 0.0), max(float(weight.max()), 0.0)
    scale = np.float32(max((high - low) / steps, floor) if high > low else max(1.0, floor))
    zero = np.clip(np.rint(-low / scale), 0, steps)
    integers = np.clip(np.rint(weight / scale) + zero, 0, steps)
    return QuantizedWeight(
        integers.astype(np.uint8), np.asarray(scale), np.asarray(zero, np.uint8), None
    )
