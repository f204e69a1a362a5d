"""What is computed number by number: arithmetic with broadcasting, and activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from quantize.export.tflite.layout import Order, Shape, natural
from quantize.export.tflite.step import Step

_BINARY = {
    "Add": "ADD",
    "Div": "DIV",
    "Max": "MAXIMUM",
    "Min": "MINIMUM",
    "Mul": "MUL",
    "Pow": "POW",
    "Sub": "SUB",
}
_UNARY = {
    "Abs": "ABS",
    "Cos": "COS",
    "Elu": "ELU",
    "Exp": "EXP",
    "Floor": "FLOOR",
    "HardSwish": "HARD_SWISH",
    "Log": "LOG",
    "Neg": "NEG",
    "Relu": "RELU",
    "Round": "ROUND",
    "Sigmoid": "LOGISTIC",
    "Sin": "SIN",
    "Sqrt": "SQRT",
    "Tanh": "TANH",
}


def common_order(step: Step) -> Order:
    """Return the order in which most of what goes in is stored already."""
    rank, best, chosen = len(step.result), 0, natural(len(step.result))
    for index in range(len(step.node.input)):
        if not step.given(index) or step.constant(index) or len(step.shape(index)) != rank:
            continue
        size = math.prod(step.shape(index))
        if size > best:
            best, chosen = size, step.order(index)
    return chosen


def aligned(step: Step, index: int, order: Order) -> int:
    """Return an input with as many axes as the result, in an order."""
    shape = step.shape(index)
    full: Shape = (1,) * (len(order) - len(shape)) + shape
    return step.operand(index, order, full)


def binary(step: Step) -> None:
    """Write an operator of two inputs (or a chain of them, for Max and Min of more)."""
    kind, order = _BINARY[step.node.op_type], common_order(step)
    if step.node.op_type == "Pow" and _power(step, order):
        return
    inputs = [aligned(step, index, order) for index in range(len(step.node.input))]
    while len(inputs) > 2:
        shapes = [step.low.tensor(place).shape for place in inputs[:2]]
        inputs[:2] = [step.emit(kind, inputs[:2], np.broadcast_shapes(*shapes))]
    if len(inputs) == 1:
        step.take(inputs[0], order)
    else:
        step.give(kind, inputs, order)


def _power(step: Step, order: Order) -> bool:
    """Write the powers that have operators of their own; return whether this was one."""
    exponent = step.array(1) if step.constant(1) else np.zeros(0)
    if exponent.size != 1 or step.shape(0) != step.result:
        return False
    base = aligned(step, 0, order)
    if float(exponent.ravel()[0]) == 2.0:
        step.give("MUL", [base, base], order)
    elif float(exponent.ravel()[0]) == 0.5:
        step.give("SQRT", [base], order)
    else:
        return False
    return True


def unary(step: Step) -> None:
    """Write an operator of one input."""
    if step.node.op_type == "Elu" and step.attributes.get("alpha", 1.0) != 1.0:
        raise step.refusal("its alpha is not 1")
    order = step.order()
    step.give(_UNARY[step.node.op_type], [step.operand(0, order)], order)


def leaky(step: Step) -> None:
    """Write a LeakyRelu."""
    order = step.order()
    alpha = float(step.attributes.get("alpha", 0.01))
    step.give("LEAKY_RELU", [step.operand(0, order)], order, alpha=alpha)


def prelu(step: Step) -> None:
    """Write a PRelu; of a single slope as LEAKY_RELU.

    TFLite 2.14 reads a slope for each channel, however many there are.
    """
    order = step.order()
    if step.constant(1) and math.prod(step.shape(1)) == 1:
        alpha = float(step.array(1).ravel()[0])
        step.give("LEAKY_RELU", [step.operand(0, order)], order, alpha=alpha)
        return
    step.give("PRELU", [step.operand(0, order), aligned(step, 1, order)], order)


def reciprocal(step: Step) -> None:
    """Write 1 / x; TFLite has no operator for it."""
    order = step.order()
    step.give("DIV", [step.scalar(1.0), step.operand(0, order)], order)


def clip(step: Step) -> None:
    """Write a Clip as RELU, RELU6, or MAXIMUM and MINIMUM."""
    order = step.order()
    low, high = (float(step.array(i).ravel()[0]) if step.given(i) else None for i in (1, 2))
    value = step.operand(0, order)
    if low == 0 and high in (None, 6.0):
        step.give("RELU" if high is None else "RELU6", [value], order)
        return
    bounds = [(kind, x) for kind, x in (("MAXIMUM", low), ("MINIMUM", high)) if x is not None]
    if not bounds:
        step.take(value, order)
        return
    for kind, limit in bounds[:-1]:
        value = step.emit(kind, [value, step.scalar(limit)], step.low.tensor(value).shape)
    step.give(bounds[-1][0], [value, step.scalar(bounds[-1][1])], order)


def hard_sigmoid(step: Step) -> None:
    """Write max(0, min(1, alpha x + beta))."""
    order = step.order()
    value = step.operand(0, order)
    shape = step.low.tensor(value).shape
    alpha = float(step.attributes.get("alpha", 0.2))
    beta = float(step.attributes.get("beta", 0.5))
    for kind, number in (("MUL", alpha), ("ADD", beta), ("MAXIMUM", 0.0)):
        value = step.emit(kind, [value, step.scalar(number)], shape)
    step.give("MINIMUM", [value, step.scalar(1.0)], order)


def softmax(step: Step) -> None:
    """Write a Softmax, its axis stored last."""
    rank = len(step.result)
    axis = int(step.attributes.get("axis", 1 if step.low.graph.opset < 13 else -1)) % rank
    if step.low.graph.opset < 13 and axis != rank - 1:
        raise step.refusal("before opset 13 it flattens its input: export with opset 13 or newer")
    order = step.order()
    if order[-1] != axis:
        order = (*(other for other in order if other != axis), axis)
    step.give("SOFTMAX", [step.operand(0, order)], order, beta=1.0)


def same(step: Step) -> None:
    """Write nothing: the output is the input."""
    if step.constant(0):
        order = natural(len(step.result))
        step.take(step.operand(0, order), order)
        return
    value = step.value()
    step.take(value.tensor, value.order)


def cast(step: Step) -> None:
    """Write a Cast between floating-point types, which is none here."""
    kinds = {1, 10, 11, 16}  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
    source = step.low.graph.element(step.node.input[0])
    if source not in kinds or int(step.attributes["to"]) not in kinds:
        raise step.refusal("only floating-point values can be computed (fold constants first)")
    same(step)


HANDLERS: dict[str, Callable[[Step], None]] = {
    **dict.fromkeys(_BINARY, binary),
    **dict.fromkeys(_UNARY, unary),
    "Cast": cast,
    "Clip": clip,
    "Dropout": same,
    "HardSigmoid": hard_sigmoid,
    "Identity": same,
    "LeakyRelu": leaky,
    "PRelu": prelu,
    "Reciprocal": reciprocal,
    "Softmax": softmax,
}
