"""Norms, written out: no runtime of TFLite has operators for them."""

from __future__ import annotations

import numpy as np

from quantize.export.tflite.layout import Order, Shape, natural, stored_shape
from quantize.export.tflite.operators.reduce import thinned
from quantize.export.tflite.step import Step

_EPSILON = 1e-5  # what ONNX says when the attribute is missing


def _standardized(step: Step, value: int, axes: list[int], epsilon: float) -> tuple[int, int]:
    """Return x - mean and 1 / sqrt(mean of its squares + epsilon), over stored axes.

    The mean is taken off first: x * gain - mean * gain would lose all digits on a flat channel.
    """
    shape = step.low.tensor(value).shape
    small = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    over = step.low.numbers(axes, "axes")
    thin = thinned(step, "MEAN", value, axes)
    mean = step.emit("MEAN", [thin, over], small, keepDims=True)
    centred = step.emit("SUB", [value, mean], shape)
    square = step.emit("MUL", [centred, centred], shape)
    thin = thinned(step, "MEAN", square, axes)
    variance = step.emit("MEAN", [thin, over], small, keepDims=True)
    safe = step.emit("ADD", [variance, step.scalar(epsilon)], small)
    return centred, step.emit("RSQRT", [safe], small)


def _finish(
    step: Step, parts: tuple[int, int], order: Order, shape: Shape, bias_shape: Shape
) -> None:
    """Multiply by scale and deviation, add the bias; both shapes are ONNX's, with all axes."""
    centred, factor = parts
    scale, bias = (None if _neutral(step, i, n) else i for i, n in ((1, 1.0), (2, 0.0)))
    if scale is not None:
        gain = step.operand(scale, order, shape)
        sizes = step.low.tensor(factor).shape
        wide = np.broadcast_shapes(sizes, stored_shape(shape, order))
        factor = step.emit("MUL", [factor, gain], wide)
    if bias is None:
        step.give("MUL", [centred, factor], order)
        return
    product = step.emit("MUL", [centred, factor], step.low.tensor(centred).shape)
    step.give("ADD", [product, step.operand(bias, order, bias_shape)], order)


def _whole(step: Step, index: int) -> Shape:
    """Return the shape of an input with as many axes as the result has."""
    given = step.shape(index) if step.given(index) else ()
    return (1,) * (len(step.result) - len(given)) + given


def _neutral(step: Step, index: int, number: float) -> bool:
    if not step.given(index):
        return True
    return step.constant(index) and bool(np.all(step.array(index) == number))


def instance_norm(step: Step) -> None:
    """Write an InstanceNormalization: over all axes but samples and channels."""
    shape = step.result
    order = step.order() if len(shape) != 4 else natural(4)
    axes = [place for place, axis in enumerate(order) if axis > 1]
    epsilon = float(step.attributes.get("epsilon", _EPSILON))
    parts = _standardized(step, step.operand(0, order), axes, epsilon)
    channels = (1, shape[1]) + (1,) * (len(shape) - 2)
    _finish(step, parts, order, channels, channels)


def layer_norm(step: Step) -> None:
    """Write a LayerNormalization: over all axes from a given one on."""
    if len([name for name in step.node.output if name]) > 1:
        raise step.refusal("its mean is asked for too")
    shape = step.result
    first = int(step.attributes.get("axis", -1)) % len(shape)
    order = step.order()
    axes = [place for place, axis in enumerate(order) if axis >= first]
    epsilon = float(step.attributes.get("epsilon", _EPSILON))
    parts = _standardized(step, step.operand(0, order), axes, epsilon)
    _finish(step, parts, order, _whole(step, 1), _whole(step, 2))


def batch_norm(step: Step) -> None:
    """Write a BatchNormalization: one factor and one shift per channel."""
    scale, bias, mean, variance = (step.array(index).astype(np.float64) for index in range(1, 5))
    factor = scale / np.sqrt(variance + float(step.attributes.get("epsilon", _EPSILON)))
    order = step.order()
    shape = (1, -1) + (1,) * (len(step.result) - 2)
    rows = [part.reshape(shape).transpose(order) for part in (factor, bias - mean * factor)]
    value = step.operand(0, order)
    gain, shift = (step.low.numbers(row, "channels", "float32") for row in rows)
    product = step.emit("MUL", [value, gain], step.low.tensor(value).shape)
    step.give("ADD", [product, shift], order)


HANDLERS = {
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
}
