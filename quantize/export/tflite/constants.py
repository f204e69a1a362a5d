"""The constants of an ONNX graph, among them those that are stored as int8 numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import STANDARD_DOMAINS, attributes

_LIMITS = {np.dtype(np.int8): 0, np.dtype(np.uint8): 128}  # what is taken off to get int8


@dataclass(frozen=True, slots=True)
class StoredInt8:
    """A constant of int8 numbers: scale * (number - zero point).

    Attributes:
        scales: one, or one per slice of `axis`.
        zero_points: as many.
        axis: of the ONNX shape.
        load: makes the numbers.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    load: Callable[[], NDArray[np.int8]]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the numbers of a QuantizeLinear or DequantizeLinear stand for, moved to int8.

    Attributes:
        scales: float32 (N,).
        zero_points: int64 (N,).
        offset: taken off the numbers of the model to get int8.
        axis: with a scale per slice, where there are several.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    offset: int
    axis: int


def whole(array: NDArray[Any]) -> NDArray[np.int8]:
    """Return uint8 or int8 numbers as int8, those of uint8 moved by 128."""
    if array.dtype == np.uint8:
        return (array ^ np.uint8(128)).view(np.int8)
    return array.astype(np.int8, copy=False)


def _axis(node: onnx.NodeProto, rank: int) -> int:
    """Return the axis with a scale per slice; vectors have but one."""
    axis = int(attributes(node).get("axis", 1))
    return axis % rank if rank > 1 else 0


class Constants:
    """Looks up constants; large ones are made anew each time, and kept by nobody."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        makers = [(name, node) for node in graph.nodes for name in node.output]
        self._makers: dict[str, onnx.NodeProto] = dict(makers)

    def _quantizer(self, name: str, kind: str) -> onnx.NodeProto | None:
        node = self._makers.get(name)
        if node is None or node.op_type != kind or node.domain not in STANDARD_DOMAINS:
            return None
        return node

    def holds(self, name: str) -> bool:
        """Return whether a value is constant: stored, or made of stored numbers by Q and DQ."""
        if self._graph.is_constant(name):
            return True
        for kind in ("DequantizeLinear", "QuantizeLinear"):
            node = self._quantizer(name, kind)
            if node is not None:
                return self.holds(node.input[0])
        return False

    def array(self, name: str) -> NDArray[Any]:
        """Return a constant's values; of those made by DequantizeLinear the float32 ones."""
        value = self._graph.constant(name)
        if value is not None:
            return value
        node = self._quantizer(name, "DequantizeLinear")
        if node is not None:
            return self._dequantized(node)
        node = self._quantizer(name, "QuantizeLinear")
        assert node is not None, name
        return self._quantized(node)

    def _parts(self, node: onnx.NodeProto, rank: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return scale and zero point, shaped to go with the numbers."""
        scale = np.asarray(self._graph.constant(node.input[1]))
        zero = np.zeros(scale.shape, np.uint8)
        if len(node.input) > 2 and node.input[2]:
            zero = np.asarray(self._graph.constant(node.input[2]))
        if scale.size > 1:
            shape = [1] * rank
            shape[_axis(node, rank)] = -1
            return scale.reshape(shape), zero.reshape(shape)
        return scale.reshape(()), zero.reshape(())

    def _dequantized(self, node: onnx.NodeProto) -> NDArray[Any]:
        numbers = self.array(node.input[0])
        scale, zero = self._parts(node, numbers.ndim)
        centred = numbers.astype(np.int64) - zero.astype(np.int64)
        return np.asarray(centred.astype(np.float32) * scale, np.float32)

    def _quantized(self, node: onnx.NodeProto) -> NDArray[Any]:
        values = self.array(node.input[0])
        scale, zero = self._parts(node, values.ndim)
        limits = np.iinfo(zero.dtype)
        rounded = np.rint(values / scale) + zero.astype(np.float32)
        return np.asarray(np.clip(rounded, limits.min, limits.max)).astype(zero.dtype)

    def scale_of(self, node: onnx.NodeProto) -> Scale | None:
        """Return what a Q or DQ node's numbers stand for; None unless they have 8 bits."""
        scale = self._graph.constant(node.input[1])
        # Without a zero point the numbers say of which type they are.
        whole_side = node.input if node.op_type == "DequantizeLinear" else node.output
        zero: NDArray[Any] | None = np.zeros(1, self._graph.dtype(whole_side[0]))
        if len(node.input) > 2 and node.input[2]:
            zero = self._graph.constant(node.input[2])
        if scale is None or zero is None or zero.dtype not in _LIMITS:
            return None
        if scale.size != zero.size and zero.size != 1:
            return None
        offset = _LIMITS[zero.dtype]
        points = zero.astype(np.int64).ravel() - offset
        scales = np.asarray(scale, np.float32).ravel()
        shape = self._graph.shape(node.input[0])
        axis = _axis(node, 1 if shape is None else len(shape))
        return Scale(scales, np.broadcast_to(points, scales.shape), offset, axis)

    def int8(self, name: str) -> StoredInt8 | None:
        """Return the int8 numbers behind a constant that DequantizeLinear makes, if there are."""
        node = self._quantizer(name, "DequantizeLinear")
        if node is None or not self.holds(node.input[0]):
            return None
        scale = self.scale_of(node)
        if scale is None:
            return None
        source = node.input[0]
        return StoredInt8(
            tuple(scale.scales.tolist()),
            tuple(scale.zero_points.tolist()),
            scale.axis,
            lambda: whole(self.array(source)),
        )
