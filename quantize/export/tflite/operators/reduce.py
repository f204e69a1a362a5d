"""Sums, means, largest values and lengths over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from quantize.export.tflite.layout import Order, stored_shape, without
from quantize.export.tflite.step import Step

_KINDS = {"ReduceMax": "REDUCE_MAX", "ReduceMean": "MEAN", "ReduceMin": "REDUCE_MIN"}
_MANY = 1024  # numbers that may be added up one after the other
_GROUP = 32
_GLOBAL = {"GlobalAveragePool": "MEAN", "GlobalMaxPool": "REDUCE_MAX"}


def _axes(step: Step) -> list[int] | None:
    """Return the ONNX axes that go; None when nothing is reduced at all."""
    rank = len(step.shape())
    given = step.ints(1, "axes")
    if not given:
        return None if step.attributes.get("noop_with_empty_axes", 0) else list(range(rank))
    return [axis % rank for axis in given]


def _inputs(step: Step, kind: str, value: int, order: Order, axes: Sequence[int]) -> list[int]:
    """Return what an operator that reduces ONNX axes reads."""
    places = [place for place, axis in enumerate(order) if axis in axes]
    return [thinned(step, kind, value, places), step.low.numbers(places, "axes")]


def thinned(step: Step, kind: str, value: int, places: Sequence[int]) -> int:
    """Return a tensor whose mean or sum over stored axes is the same, and exact to more digits.

    TFLite adds up one number after the other in float32, which over a picture of 256 x 256 leaves
    four digits of a variance. In groups of at most 32, and then over the groups, it leaves six.
    int8 numbers it adds up in whole ones, which loses nothing: groups would round each mean.

    Args:
        step: the node.
        kind: MEAN or SUM; others are left alone.
        value: the tensor; left alone where it is not float32.
        places: the stored axes; left alone where they do not lie together.
    """
    shape, first = step.low.tensor(value).shape, min(places, default=0)
    count = math.prod(shape[place] for place in places)
    together = sorted(places) == list(range(first, first + len(places)))
    if kind not in ("MEAN", "SUM") or count <= _MANY or not together:
        return value
    if step.low.tensor(value).element != "float32":
        return value
    outer, inner = shape[:first], shape[first + len(places) :]
    while count > _GROUP:
        size = next((n for n in range(_GROUP, 1, -1) if count % n == 0), count)
        count //= size
        grouped = step.low.resized(value, (*outer, count, size, *inner))
        over = step.low.numbers([first + 1], "axes")
        value = step.emit(kind, [grouped, over], (*outer, count, 1, *inner), keepDims=True)
    return step.low.resized(value, (*outer, count, *[1] * (len(places) - 1), *inner))


def reduce(step: Step) -> None:
    """Write ReduceMean, ReduceMax or ReduceMin."""
    axes, order = _axes(step), step.order()
    value = step.operand(0, order)
    if axes is None:
        step.take(value, order)
        return
    keep = bool(step.attributes.get("keepdims", 1))
    kind = _KINDS[step.node.op_type]
    left = order if keep else without(order, axes)
    step.give(kind, _inputs(step, kind, value, order, axes), left, keepDims=keep)


def summed(step: Step) -> None:
    """Write ReduceSum, ReduceSumSquare or ReduceL2."""
    axes, order, kind = _axes(step), step.order(), step.node.op_type
    if axes is None:
        raise step.refusal("it reduces no axis")
    value = step.operand(0, order)
    if kind != "ReduceSum":
        value = step.emit("MUL", [value, value], step.low.tensor(value).shape)
    keep = bool(step.attributes.get("keepdims", 1))
    inputs = _inputs(step, "SUM", value, order, axes)
    left = order if keep else without(order, axes)
    if kind == "ReduceL2":
        total = step.emit("SUM", inputs, stored_shape(step.result, left), keepDims=keep)
        step.give("SQRT", [total], left)
    else:
        step.give("SUM", inputs, left, keepDims=keep)


def pooled(step: Step) -> None:
    """Write GlobalAveragePool or GlobalMaxPool."""
    order = step.order()
    kind, axes = _GLOBAL[step.node.op_type], range(2, len(order))
    inputs = _inputs(step, kind, step.operand(0, order), order, axes)
    step.give(kind, inputs, order, keepDims=True)


HANDLERS: dict[str, Callable[[Step], None]] = {
    **dict.fromkeys(_KINDS, reduce),
    **dict.fromkeys(_GLOBAL, pooled),
    "ReduceL2": summed,
    "ReduceSum": summed,
    "ReduceSumSquare": summed,
}
