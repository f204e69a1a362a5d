"""From values of ONNX to tensors of TFLite: constants, orders of axes, and what has been made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.errors import TFLiteError
from quantize.export.tflite.constants import Constants
from quantize.export.tflite.kinds import KEEPS_SCALE
from quantize.export.tflite.layout import (
    Order,
    Shape,
    alike,
    natural,
    reshaped,
    stored_shape,
    transposition,
)
from quantize.export.tflite.writer import Element, Load, Quantization, Tensor, Writer
from quantize.passes._infra.graph import Graph

Weights = Literal["fp32", "fp16"]

_WORTH_PACKING = 1024  # bytes; smaller weights are kept as float32: a tensor more costs as much
_LARGEST_FP16 = 65504.0


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the ONNX graph that has been computed: its tensor, ONNX shape, and order."""

    tensor: int
    shape: Shape
    order: Order


def describe(node: onnx.NodeProto) -> str:
    """Return how a node is named in messages."""
    return f"node {node.name or node.output[0]!r} ({node.op_type})"


class Lowering:
    """What has been written so far, and how to get at it.

    Attributes:
        graph: the ONNX graph.
        constants: its constants.
        writer: the file in the making.
        values: what has been computed, by the ONNX name; int8 values by the names that
            QuantizeLinear gave them.
        int8_of: names of int8 values by the names of what DequantizeLinear made of them.
    """

    def __init__(self, model: onnx.ModelProto, weights: Weights) -> None:
        self.graph = Graph(model)
        self.constants = Constants(self.graph)
        self.writer = Writer()
        self.values: dict[str, Value] = {}
        self.int8_of: dict[str, str] = {}
        self._weights = weights
        self._stored: dict[tuple[Any, ...], int] = {}
        self._arranged: dict[tuple[int, Order], int] = {}

    # What there is

    def shape(self, name: str) -> Shape:
        """Return the shape of a value of the ONNX graph.

        Raises:
            TFLiteError: it depends on the input.
        """
        shape = self.graph.static_shape(name)
        if shape is None:
            raise TFLiteError(
                f"the shape of value {name!r} is not known before the model runs: state the sizes "
                "of the inputs (--card, or the static_shapes pass) and fold constants first"
            )
        return shape

    def value(self, name: str) -> Value:
        """Return a float32 value that has been computed, dequantizing it where need be."""
        if name not in self.values and name in self.int8_of:
            whole = self.values[self.int8_of[name]]
            shape = self.tensor(whole.tensor).shape
            made = self.emit("DEQUANTIZE", [whole.tensor], shape, hint=name)
            self.values[name] = Value(made, whole.shape, whole.order)
        if name not in self.values:
            raise TFLiteError(f"value {name!r} is read before anything makes it")
        return self.values[name]

    def tensor(self, place: int) -> Tensor:
        """Return a tensor by its place."""
        return self.writer.tensors[place]

    # What is made

    def emit(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        *,
        hint: str,
        data: int = 0,
        quantization: Quantization | None = None,
        version: int | None = None,
        **options: Any,
    ) -> int:
        """Add an operator with one output; return the place of that.

        Args:
            kind: a name of `KINDS`.
            inputs: places of tensors.
            shape: sizes of the output as stored.
            hint: what the output's name starts with.
            data: which of the inputs holds the data.
            quantization: makes the output int8; operators that keep the scale see to it themselves.
            version: of the operator where it is not the usual one.
            **options: of the operator, as the schema calls them.
        """
        element: Element = "float32" if quantization is None else "int8"
        if kind in KEEPS_SCALE:
            source = self.tensor(inputs[data])
            element, quantization = source.element, source.quantization
        place = self.writer.tensor(hint, shape, element, quantization=quantization)
        self.writer.operator(kind, inputs, [place], options, version=version)
        return place

    def bind(self, name: str, tensor: int, order: Order, shape: Shape | None = None) -> None:
        """State which tensor holds a value."""
        self.values[name] = Value(tensor, self.shape(name) if shape is None else shape, order)

    def arranged(self, value: Value, order: Order) -> int:
        """Return a tensor with a value in an order; the one it has where that will do."""
        sizes = stored_shape(value.shape, order)
        tensor = self.tensor(value.tensor)
        if alike(value.shape, value.order, order):
            return value.tensor if tensor.shape == sizes else self.resized(value.tensor, sizes)
        key = value.tensor, (*value.order, *order)
        if key not in self._arranged:
            now = self.resized(value.tensor, stored_shape(value.shape, value.order))
            turn = self.numbers(transposition(value.order, order), "permutation")
            version = None if len(sizes) <= 4 else 4
            hint = f"{tensor.name}_turned"
            made = self.emit("TRANSPOSE", [now, turn], sizes, hint=hint, version=version)
            self._arranged[key] = made
        return self._arranged[key]

    def resized(self, place: int, sizes: Shape) -> int:
        """Return a tensor with the same numbers in the same places and other sizes."""
        tensor = self.tensor(place)
        if tensor.shape == sizes:
            return place
        key = place, (-1, *sizes)
        if key not in self._arranged:
            wanted = np.asarray(sizes, np.int32)
            inputs = [place, self.numbers(sizes, "shape")]
            hint = f"{tensor.name}_shaped"
            self._arranged[key] = self.emit("RESHAPE", inputs, sizes, hint=hint, newShape=wanted)
        return self._arranged[key]

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """Return a value in another shape, in whatever order costs least."""
        if value.shape == shape:
            return value
        before, after = reshaped(value.shape, value.order, shape)
        place = value.tensor
        if not alike(value.shape, value.order, before):
            place = self.arranged(value, before)
        return Value(self.resized(place, stored_shape(shape, after)), shape, after)

    # Operands

    def operand(self, name: str, order: Order | None, shape: Shape | None = None) -> int:
        """Return a float32 tensor with a value.

        Args:
            name: of the value; computed or constant.
            order: of its axes; None for the natural one.
            shape: to give it first, where it is to have more axes or fewer of size 1.
        """
        if self.constants.holds(name):
            return self.constant(name, order, shape)
        value = self.value(name)
        if shape is not None:
            value = self.reshaped(value, shape)
        return self.arranged(value, order or natural(len(value.shape)))

    def constant(self, name: str, order: Order | None = None, shape: Shape | None = None) -> int:
        """Return a float32 tensor with a constant; arguments as for `operand`."""
        sizes = self.shape(name) if shape is None else shape
        order = order or natural(len(sizes))
        key = name, sizes, order

        def load() -> NDArray[Any]:
            return self.constants.array(name).reshape(sizes).transpose(order)

        if key not in self._stored:
            place = self.writer.tensor(name, stored_shape(sizes, order), load=load)
            self._stored[key] = place
        return self._stored[key]

    def weight(self, name: str, order: Order, shape: Shape | None = None) -> int:
        """Return a float32 tensor with weights, which may be stored in fewer bits.

        Constants of some size become float16 where that was asked for, and stay int8 where the
        model says so; DEQUANTIZE makes float32 of them once, when the model is loaded.
        """
        sizes = self.shape(name) if shape is None else shape
        if not self.constants.holds(name) or math.prod(sizes) * 4 < _WORTH_PACKING:
            return self.operand(name, order, sizes)
        packed = self._packed(name, order, sizes)
        return self.constant(name, order, sizes) if packed is None else packed

    def _packed(self, name: str, order: Order, sizes: Shape) -> int | None:
        key = name, sizes, order, "packed"
        if key in self._stored:
            return self._stored[key]
        stored = stored_shape(sizes, order)
        if self.constants.int8(name) is not None and sizes == self.shape(name):
            place = self.int8_constant(name, order)
        elif self._weights == "fp16" and self._fits_fp16(name):

            def load() -> NDArray[Any]:
                array = self.constants.array(name).astype(np.float16)
                return array.reshape(sizes).transpose(order)

            place = self.writer.tensor("half", stored, "float16", load=load)
        else:
            return None
        quantization = self.tensor(place).quantization
        per_axis = quantization is not None and len(quantization.scales) > 1
        version = 5 if per_axis else None
        self._stored[key] = self.emit("DEQUANTIZE", [place], stored, hint=name, version=version)
        return self._stored[key]

    def _fits_fp16(self, name: str) -> bool:
        array = self.constants.array(name)
        return bool(np.abs(array).max(initial=0) <= _LARGEST_FP16)

    def int8_constant(
        self, name: str, order: Order | None = None, shape: Shape | None = None
    ) -> int:
        """Return an int8 tensor with a constant that DequantizeLinear reads from int8 numbers.

        Args:
            name: of what DequantizeLinear makes.
            order: of its axes; None for the natural one.
            shape: to give it first; only where it has one scale.
        """
        stored = self.constants.int8(name)
        assert stored is not None
        sizes = self.shape(name) if shape is None else shape
        order = order or natural(len(sizes))
        key = name, sizes, order, "int8"
        if key not in self._stored:
            axis = order.index(stored.axis) if len(stored.scales) > 1 else 0
            quantization = Quantization(stored.scales, stored.zero_points, axis)

            def load() -> NDArray[Any]:
                return stored.load().reshape(sizes).transpose(order)

            self._stored[key] = self.writer.tensor(
                f"{name}_int8",
                stored_shape(sizes, order),
                "int8",
                quantization=quantization,
                load=load,
            )
        return self._stored[key]

    def numbers(self, values: Any, hint: str, element: Element = "int32") -> int:
        """Return a tensor with a few numbers: axes, sizes, pads. Equal ones are stored once."""
        array = np.asarray(values, element)
        key = element, array.shape, array.tobytes()
        if key not in self._stored:
            load: Load = array.copy
            self._stored[key] = self.writer.tensor(hint, array.shape, element, load=load)
        return self._stored[key]
