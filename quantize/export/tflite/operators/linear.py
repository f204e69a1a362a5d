"""Gemm and MatMul."""

from __future__ import annotations

import math

from quantize.export.tflite.layout import plain, stored_shape
from quantize.export.tflite.step import Step


def gemm(step: Step) -> None:
    """Write alpha A B + beta C as FULLY_CONNECTED, with alpha and beta where they are not 1."""
    given = step.attributes
    alpha, beta = float(given.get("alpha", 1.0)), float(given.get("beta", 1.0))
    left = step.operand(0, (1, 0) if given.get("transA", 0) else (0, 1))
    weights = step.weight(1, (0, 1) if given.get("transB", 0) else (1, 0))
    rows, outputs = step.result
    simple = alpha == 1 and (not step.given(2) or (beta == 1 and _is_row(step, outputs)))
    if simple:
        bias = step.bias(2, outputs, left, weights)
        step.give("FULLY_CONNECTED", [left, weights, bias], (0, 1))
        return
    none = step.bias(len(step.node.input), outputs, left, weights)
    shape = (rows, outputs)
    product = step.emit("FULLY_CONNECTED", [left, weights, none], shape)
    if not step.given(2):
        step.give("MUL", [product, step.scalar(alpha)], (0, 1))
        return
    if alpha != 1:
        product = step.emit("MUL", [product, step.scalar(alpha)], shape)
    added = step.shape(2)
    full = (1,) * (2 - len(added)) + added
    shift = step.operand(2, (0, 1), full)
    if beta != 1:
        shift = step.emit("MUL", [shift, step.scalar(beta)], full)
    step.give("ADD", [product, shift], (0, 1))


def _is_row(step: Step, outputs: int) -> bool:
    """Return whether C is one number per output."""
    return step.constant(2) and step.shape(2) in ((outputs,), (1, outputs))


def matmul(step: Step) -> None:
    """Write a MatMul as FULLY_CONNECTED, or as BATCH_MATMUL where both sides are computed."""
    left, right = step.shape(0), step.shape(1)
    if step.constant(1) and len(right) == 2 and len(left) >= 2:
        rows = math.prod(left[:-1])
        flat = step.operand(0, (0, 1), (rows, left[-1]))
        weights = step.weight(1, (1, 0))
        none = step.bias(len(step.node.input), right[1], flat, weights)
        product = step.emit("FULLY_CONNECTED", [flat, weights, none], (rows, right[1]))
        order = plain(len(step.result))
        size = step.low.numbers(step.result, "shape")
        if len(step.result) == 2:
            step.take(product, order)
        else:
            step.give("RESHAPE", [product, size], order)
        return
    if min(len(left), len(right)) < 2:
        raise step.refusal("one of its inputs is a vector")
    inputs = [step.operand(index, plain(len(shape))) for index, shape in enumerate((left, right))]
    order = plain(len(step.result))
    assert stored_shape(step.result, order) == step.result
    step.give("BATCH_MATMUL", inputs, order)


HANDLERS = {"Gemm": gemm, "MatMul": matmul}
