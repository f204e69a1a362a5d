"""One node of the ONNX graph on its way into the file, as the operators' writers see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.errors import TFLiteError
from quantize.export.tflite.layout import Order, Shape, natural, stored_shape
from quantize.export.tflite.lowering import Lowering, Value, describe
from quantize.export.tflite.writer import Quantization
from quantize.passes._infra.model import attributes


class Step:
    """A node that computes in float32.

    Attributes:
        low: what has been written.
        node: the node.
        attributes: its attributes as Python values.
    """

    def __init__(self, low: Lowering, node: onnx.NodeProto) -> None:
        self.low = low
        self.node = node
        self.attributes = attributes(node)
        self._hint = node.output[0]

    def refusal(self, why: str) -> TFLiteError:
        """Return the error that says why this node cannot be written."""
        return TFLiteError(f"{describe(self.node)} cannot be written as TFLite: {why}")

    # Inputs

    def given(self, index: int) -> bool:
        """Return whether the node has an input."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def shape(self, index: int = 0) -> Shape:
        """Return the ONNX shape of an input."""
        return self.low.shape(self.node.input[index])

    def constant(self, index: int) -> bool:
        """Return whether an input is given and constant."""
        return self.given(index) and self.low.constants.holds(self.node.input[index])

    def array(self, index: int) -> NDArray[Any]:
        """Return the values of an input that has to be constant."""
        if not self.constant(index):
            raise self.refusal(f"input {index} is not constant (fold constants first)")
        return self.low.constants.array(self.node.input[index])

    def ints(self, index: int, attribute: str) -> list[int] | None:
        """Return integers that are an input in newer opsets and an attribute in older ones."""
        if self.given(index):
            return [int(value) for value in self.array(index).ravel()]
        values = self.attributes.get(attribute)
        return None if values is None else [int(value) for value in values]

    def value(self, index: int = 0) -> Value:
        """Return an input that has been computed."""
        return self.low.value(self.node.input[index])

    def order(self, index: int = 0) -> Order:
        """Return the order in which an input is stored; constants come as they are wanted."""
        if self.constant(index):
            return natural(len(self.shape(index)))
        return self.value(index).order

    def operand(self, index: int, order: Order | None = None, shape: Shape | None = None) -> int:
        """Return a tensor with an input; see `Lowering.operand`."""
        return self.low.operand(self.node.input[index], order, shape)

    def weight(self, index: int, order: Order, shape: Shape | None = None) -> int:
        """Return a tensor with weights; see `Lowering.weight`."""
        return self.low.weight(self.node.input[index], order, shape)

    def bias(self, index: int, length: int, inputs: int, weights: int) -> int:
        """Return a tensor with a bias per output, zeros where the node has none.

        Args:
            index: of the input.
            length: how many outputs there are.
            inputs: the tensor that goes in.
            weights: the tensor of weights.
        """
        if self.given(index):
            return self.operand(index, (0,), (length,))
        return self.low.numbers(np.zeros(length), "no_bias", "float32")

    # Results

    @property
    def result(self) -> Shape:
        """ONNX shape of the first output."""
        return self.low.shape(self.node.output[0])

    def emit(self, kind: str, inputs: list[int], shape: Shape, **options: Any) -> int:
        """Add an operator whose output only the next one reads; see `Lowering.emit`."""
        return self.low.emit(kind, inputs, shape, hint=f"{self._hint}_{kind.lower()}", **options)

    def give(self, kind: str, inputs: list[int], order: Order, **options: Any) -> None:
        """Add the operator that makes the node's output, in an order."""
        shape = stored_shape(self.result, order)
        self.take(self.low.emit(kind, inputs, shape, hint=self._hint, **options), order)

    def take(self, tensor: int, order: Order) -> None:
        """State that a tensor is the node's output."""
        self.low.bind(self.node.output[0], tensor, order)

    def scalar(self, value: float) -> int:
        """Return a float32 constant that goes with everything."""
        return self.low.numbers([value], "number", "float32")


class Int8Step(Step):
    """A node between DequantizeLinear and QuantizeLinear that computes in int8.

    Args:
        low: what has been written.
        node: the node.
        results: names that QuantizeLinear gives to its output.
        quantization: of its output.
    """

    def __init__(
        self,
        low: Lowering,
        node: onnx.NodeProto,
        results: tuple[str, ...],
        quantization: Quantization,
    ) -> None:
        super().__init__(low, node)
        self._results = results
        self._quantization = quantization
        self._hint = results[0]

    def value(self, index: int = 0) -> Value:
        """Return the int8 value behind an input."""
        return self.low.values[self.low.int8_of[self.node.input[index]]]

    def operand(self, index: int, order: Order | None = None, shape: Shape | None = None) -> int:
        """Return an int8 tensor with an input."""
        if self.constant(index):
            return self.low.int8_constant(self.node.input[index], order, shape)
        value = self.value(index)
        if shape is not None:
            value = self.low.reshaped(value, shape)
        return self.low.arranged(value, order or natural(len(value.shape)))

    def weight(self, index: int, order: Order, shape: Shape | None = None) -> int:
        """Return an int8 tensor with weights."""
        return self.low.int8_constant(self.node.input[index], order, shape)

    def bias(self, index: int, length: int, inputs: int, weights: int) -> int:
        """Return an int32 tensor with a bias per output: scale of the input times the weights'."""
        values = np.zeros(length, np.float32)
        if self.given(index):
            values = np.broadcast_to(self.array(index).ravel(), (length,))
        left = self.low.tensor(inputs).quantization
        right = self.low.tensor(weights).quantization
        assert left is not None
        assert right is not None
        # As the runtime computes it: in float32.
        scales = np.float32(left.scales[0]) * np.asarray(right.scales, np.float32)
        limit = np.iinfo(np.int32)
        whole = np.rint(values.astype(np.float64) / np.broadcast_to(scales, (length,)))
        numbers = np.clip(whole, limit.min, limit.max).astype(np.int32)
        return self.low.writer.tensor(
            f"{self._hint}_bias",
            (length,),
            "int32",
            quantization=Quantization(tuple(scales.tolist()), (0,) * scales.size),
            load=lambda: numbers,
        )

    def emit(self, kind: str, inputs: list[int], shape: Shape, **options: Any) -> int:
        """Add an operator whose output only the next one reads: int8, with the output's scale.

        Operators that keep the scale of what goes in see to it themselves.
        """
        options.setdefault("quantization", self._quantization)
        return super().emit(kind, inputs, shape, **options)

    def give(self, kind: str, inputs: list[int], order: Order, **options: Any) -> None:
        """Add the operator that makes the node's output, in an order."""
        shape = stored_shape(self.result, order)
        place = self.low.emit(
            kind, inputs, shape, hint=self._hint, quantization=self._quantization, **options
        )
        self.take(place, order)

    def take(self, tensor: int, order: Order) -> None:
        """State that a tensor is the node's output."""
        assert self.low.tensor(tensor).quantization == self._quantization
        for name in self._results:
            self.low.bind(name, tensor, order, self.result)
