"""The way of a model from ONNX to TFLite: every node is written by the file of its family."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from quantize.errors import TFLiteError
from quantize.export.tflite.int8 import int8_step, is_quantizer, write_quantizer
from quantize.export.tflite.layout import Order, Shape, natural, plain, stored_shape
from quantize.export.tflite.lowering import Lowering, Weights, describe
from quantize.export.tflite.operators import HANDLERS
from quantize.export.tflite.step import Step
from quantize.export.tflite.writer import load_schema
from quantize.passes._infra.model import (
    STANDARD_DOMAINS,
    in_running_order,
    inputs_of,
    refuse_absent_weights,
)

_PICTURE_CHANNELS = (1, 3)


def _outer_order(shape: Shape) -> Order:
    """Return how an input or output is stored: pictures as NHWC, all else as ONNX has it.

    A reader tells a picture from its stored shape alone, so only what can be told is turned.
    """
    picture = len(shape) == 4 and shape[1] in _PICTURE_CHANNELS
    return natural(4) if picture and shape[2] not in _PICTURE_CHANNELS else plain(len(shape))


def _write_inputs(low: Lowering, model: onnx.ModelProto) -> dict[str, int]:
    places = {}
    for value in inputs_of(model):
        if low.graph.element(value.name) != onnx.TensorProto.FLOAT:
            raise TFLiteError(f"input {value.name!r} is not float32: export it with float32 inputs")
        shape = low.shape(value.name)
        if math.prod(shape) == 0:
            raise TFLiteError(f"input {value.name!r} is empty: it has the shape {shape}")
        order = _outer_order(shape)
        places[value.name] = low.writer.tensor(value.name, stored_shape(shape, order))
        low.bind(value.name, places[value.name], order)
    return places


def _write_node(low: Lowering, node: onnx.NodeProto) -> None:
    if is_quantizer(node):
        write_quantizer(low, node)
        return
    if node.op_type == "Constant":
        return
    handler = HANDLERS.get(node.op_type) if node.domain in STANDARD_DOMAINS else None
    if handler is None:
        raise TFLiteError(
            f"{describe(node)} cannot be written as TFLite: there is no rule for this operator"
        )
    handler(int8_step(low, node) or Step(low, node))


def _write_outputs(low: Lowering, inputs: Mapping[str, int]) -> dict[str, int]:
    places: dict[str, int] = {}
    for name in low.graph.outputs:
        shape = low.shape(name)
        order = _outer_order(shape)
        if low.graph.element(name) != onnx.TensorProto.FLOAT:
            raise TFLiteError(f"output {name!r} is not float32: export it with float32 outputs")
        place = low.operand(name, order)
        if low.tensor(place).load or place in inputs.values() or place in places.values():
            # Something has to make it: an input or a constant cannot be an output as well.
            wanted = stored_shape(shape, order)
            shaped = low.numbers(wanted, "shape")
            place = low.emit("RESHAPE", [place, shaped], wanted, hint=name)
        low.writer.rename(place, name)
        places[name] = place
    return places


def to_tflite(model: onnx.ModelProto, *, weights: Weights = "fp32") -> bytes:
    """Write a model as TFLite.

    1. Pictures, (N, C, H, W) with 1 or 3 channels, go in and come out as (N, H, W, C); all other
       inputs and outputs keep their shape. All are float32, under the names of the ONNX model in
       the signature `serving_default`.
    2. Inside, channels are last throughout; a transposition is written only where axes are merged
       that do not lie together.
    3. A model with QuantizeLinear and DequantizeLinear around its operators, of int8 or uint8 (the
       latter moved by 128), becomes one that computes in int8 wherever TFLite can; what is not
       between them stays float32. Weights that are only stored as int8 stay so.

    Args:
        model: as `quantize.prepare` makes it: static shapes, constants folded. It is not edited.
        weights: how float32 weights are stored. "fp16" halves them; they compute as float32.

    Returns:
        The file. Its operators are of versions that TensorFlow Lite 2.14 knows.

    Raises:
        TFLiteError: a node that cannot be written, shapes that depend on the input, or more than
            2 GB.
        GraphError: the model is broken.
        EngineMissing: ai-edge-litert is not installed.
    """
    load_schema()  # before the work, not after it
    refuse_absent_weights(model)
    low = Lowering(model, weights)
    inputs = _write_inputs(low, model)
    for node in in_running_order(low.graph.nodes):
        _write_node(low, node)
    return low.writer.finish(inputs, _write_outputs(low, inputs))
