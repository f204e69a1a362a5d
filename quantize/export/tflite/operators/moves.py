"""What computes nothing: reshapes, transpositions, slices, joins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quantize.export.tflite.layout import natural, stored_shape
from quantize.export.tflite.lowering import Value
from quantize.export.tflite.operators.pointwise import common_order
from quantize.export.tflite.step import Step

_NATURAL = (0, 2, 3, 1)
_SPLITS = 4  # more outputs, and slices are as good


def reshape(step: Step) -> None:
    """Write Reshape, Flatten, Squeeze or Unsqueeze: nothing, or a RESHAPE."""
    moved = step.low.reshaped(step.value(), step.result)
    step.take(moved.tensor, moved.order)


def transpose(step: Step) -> None:
    """Write nothing: the axes get other numbers, and stay where they are."""
    value = step.value()
    rank = len(value.shape)
    turn = step.attributes.get("perm", tuple(range(rank))[::-1])
    step.take(value.tensor, tuple(turn.index(axis) for axis in value.order))


def slices(step: Step) -> None:
    """Write a Slice as SLICE, or as STRIDED_SLICE where it leaves some out or turns them round."""
    value = step.value()
    rank = len(value.shape)
    starts, ends = (step.ints(i, name) for i, name in ((1, "starts"), (2, "ends")))
    if starts is None or ends is None:
        raise step.refusal("it does not say where to start and to end")
    axes = step.ints(3, "axes") or list(range(len(starts)))
    steps = step.ints(4, "steps") or [1] * len(starts)
    bounds = {axis: (0, size, 1) for axis, size in enumerate(value.shape)}
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        size = value.shape[axis % rank]
        first, last, _ = slice(start, end, stride).indices(size)
        # Walked backwards from before the first element, ONNX takes that one still.
        bounds[axis % rank] = (max(first, 0), last, stride)
    rows = [bounds[axis] for axis in value.order]
    begins = step.low.numbers([start for start, _, _ in rows], "begin")
    tensor = step.low.arranged(value, value.order)
    if all(stride == 1 for _, _, stride in rows):
        sizes = step.low.numbers(stored_shape(step.result, value.order), "size")
        step.give("SLICE", [tensor, begins, sizes], value.order)
        return
    # A row that is walked backwards to its first element ends before it: "no end".
    mask = sum(1 << place for place, (_, end, _) in enumerate(rows) if end < 0)
    others = (
        step.low.numbers([max(end, 0) for _, end, _ in rows], "end"),
        step.low.numbers([stride for _, _, stride in rows], "strides"),
    )
    step.give("STRIDED_SLICE", [tensor, begins, *others], value.order, endMask=mask)


def concat(step: Step) -> None:
    """Write a Concat as CONCATENATION."""
    order = common_order(step)
    axis = int(step.attributes["axis"]) % len(step.result)
    tensors = [step.operand(index, order) for index in range(len(step.node.input))]
    if len(tensors) == 1:
        step.take(tensors[0], order)
    else:
        step.give("CONCATENATION", tensors, order, axis=order.index(axis))


def split(step: Step) -> None:
    """Write a Split as SPLIT where its parts are alike and few, else as slices."""
    value, low = step.value(), step.low
    axis = int(step.attributes.get("axis", 0)) % len(value.shape)
    place = value.order.index(axis)
    tensor = low.arranged(value, value.order)
    whole = low.tensor(tensor)
    shapes = [low.shape(name) for name in step.node.output]
    sizes = [stored_shape(shape, value.order) for shape in shapes]
    if len(set(sizes)) == 1 and len(sizes) <= _SPLITS:
        made = [
            low.writer.tensor(name, size, whole.element, quantization=whole.quantization)
            for name, size in zip(step.node.output, sizes, strict=True)
        ]
        inputs = [low.numbers(place, "axis"), tensor]
        low.writer.operator("SPLIT", inputs, made, {"numSplits": len(made)})
    else:
        begin, made = [0] * len(value.shape), []
        for name, size in zip(step.node.output, sizes, strict=True):
            inputs = [tensor, low.numbers(begin, "begin"), low.numbers(size, "size")]
            made.append(low.emit("SLICE", inputs, size, hint=name))
            begin[place] += size[place]
    for name, part in zip(step.node.output, made, strict=True):
        low.bind(name, part, value.order)


def depth_to_space(step: Step) -> None:
    """Write a DepthToSpace; for CRD the channels are brought into the order of DCR first."""
    block = int(step.attributes["blocksize"])
    value, shape = step.operand(0, _NATURAL), step.shape()
    if step.attributes.get("mode", b"DCR") == b"CRD":
        places = np.arange(shape[1]).reshape(-1, block * block).T.ravel()
        inputs = [value, step.low.numbers(places, "channels")]
        value = step.emit("GATHER", inputs, stored_shape(shape, _NATURAL), axis=3)
    step.give("DEPTH_TO_SPACE", [value], _NATURAL, blockSize=block)


def space_to_depth(step: Step) -> None:
    """Write a SpaceToDepth."""
    block = int(step.attributes["blocksize"])
    step.give("SPACE_TO_DEPTH", [step.operand(0, _NATURAL)], _NATURAL, blockSize=block)


def gather(step: Step) -> None:
    """Write a Gather of constant places as SLICE where they follow each other, else as GATHER."""
    value, low = step.value(), step.low
    axis = int(step.attributes.get("axis", 0)) % len(value.shape)
    places = step.array(1)
    if places.ndim > 1:
        raise step.refusal("its places have more than one axis")
    if not places.size:
        raise step.refusal("it takes nothing, and TFLite has no empty values")
    size = value.shape[axis]
    if places.min() < -size or places.max() >= size:
        raise step.refusal(f"one of its places lies beyond the {size} of axis {axis}")
    rows = places.ravel() % size
    shape = tuple(rows.size if a == axis else n for a, n in enumerate(value.shape))
    kept, place = stored_shape(shape, value.order), value.order.index(axis)
    tensor = low.arranged(value, value.order)
    if np.all(np.diff(rows) == 1):
        begin = [int(rows[0]) if other == place else 0 for other in range(len(kept))]
        inputs = [tensor, low.numbers(begin, "begin"), low.numbers(kept, "size")]
        made = step.emit("SLICE", inputs, kept)
    else:
        made = step.emit("GATHER", [tensor, low.numbers(rows, "places")], kept, axis=place)
    whole = low.reshaped(Value(made, shape, value.order), step.result)
    step.take(whole.tensor, whole.order)


def expand(step: Step) -> None:
    """Write an Expand as BROADCAST_TO."""
    shape = step.shape()
    full = (1,) * (len(step.result) - len(shape)) + shape
    order = step.order() if len(full) == len(shape) else natural(len(full))
    value = step.operand(0, order, full)
    if full == step.result:
        step.take(value, order)
        return
    sizes = step.low.numbers(stored_shape(step.result, order), "shape")
    step.give("BROADCAST_TO", [value, sizes], order)


def tile(step: Step) -> None:
    """Write a Tile."""
    order = step.order()
    repeats = [int(step.array(1).ravel()[axis]) for axis in order]
    step.give("TILE", [step.operand(0, order), step.low.numbers(repeats, "repeats")], order)


HANDLERS: dict[str, Callable[[Step], None]] = {
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "Flatten": reshape,
    "Gather": gather,
    "Reshape": reshape,
    "Slice": slices,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": reshape,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
