"""Sums, means, largest values and lengths over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quantize.export.tflite.layout import Order, stored_shape, without
from quantize.export.tflite.step import Step

_KINDS = {"ReduceMax": "REDUCE_MAX", "ReduceMean": "MEAN", "ReduceMin": "REDUCE_MIN"}
_GLOBAL = {"GlobalAveragePool": "MEAN", "GlobalMaxPool": "REDUCE_MAX"}


def _axes(step: Step) -> list[int] | None:
    """Return the ONNX axes that go; None when nothing is reduced at all."""
    rank = len(step.shape())
    given = step.ints(1, "axes")
    if not given:
        return None if step.attributes.get("noop_with_empty_axes", 0) else list(range(rank))
    return [axis % rank for axis in given]


def _places(step: Step, order: Order, axes: Sequence[int]) -> int:
    """Return a tensor with the stored places of axes."""
    return step.low.numbers([place for place, axis in enumerate(order) if axis in axes], "axes")


def reduce(step: Step) -> None:
    """Write ReduceMean, ReduceMax or ReduceMin."""
    axes, order = _axes(step), step.order()
    value = step.operand(0, order)
    if axes is None:
        step.take(value, order)
        return
    keep = bool(step.attributes.get("keepdims", 1))
    inputs = [value, _places(step, order, axes)]
    left = order if keep else without(order, axes)
    step.give(_KINDS[step.node.op_type], inputs, left, keepDims=keep)


def summed(step: Step) -> None:
    """Write ReduceSum, ReduceSumSquare or ReduceL2."""
    axes, order, kind = _axes(step), step.order(), step.node.op_type
    if axes is None:
        raise step.refusal("it reduces no axis")
    value = step.operand(0, order)
    if kind != "ReduceSum":
        value = step.emit("MUL", [value, value], step.low.tensor(value).shape)
    keep = bool(step.attributes.get("keepdims", 1))
    inputs = [value, _places(step, order, axes)]
    left = order if keep else without(order, axes)
    if kind == "ReduceL2":
        total = step.emit("SUM", inputs, stored_shape(step.result, left), keepDims=keep)
        step.give("SQRT", [total], left)
    else:
        step.give("SUM", inputs, left, keepDims=keep)


def pooled(step: Step) -> None:
    """Write GlobalAveragePool or GlobalMaxPool."""
    order = step.order()
    inputs = [step.operand(0, order), _places(step, order, range(2, len(order)))]
    step.give(_GLOBAL[step.node.op_type], inputs, order, keepDims=True)


HANDLERS: dict[str, Callable[[Step], None]] = {
    **dict.fromkeys(_KINDS, reduce),
    **dict.fromkeys(_GLOBAL, pooled),
    "ReduceL2": summed,
    "ReduceSum": summed,
    "ReduceSumSquare": summed,
}
