"""Pad: with a number, mirrored, or repeated at the edge."""

from __future__ import annotations

from collections.abc import Sequence

from quantize.export.tflite.layout import stored_shape
from quantize.export.tflite.step import Step

Pads = Sequence[tuple[int, int]]
"""Before and behind, per stored axis; negative ones cut off."""

_REFLECT, _SYMMETRIC = 0, 1

# XNNPACK lacks MIRROR_PAD, which cuts the graph in pieces and costs a sixth of the time of the
# inswapper topology. It joins up to so many tensors.
_JOINED = 5


def _sizes(step: Step, tensor: int, pads: Pads) -> tuple[int, ...]:
    shape = step.low.tensor(tensor).shape
    return tuple(size + sum(pair) for size, pair in zip(shape, pads, strict=True))


def _cut(step: Step, tensor: int, pads: Pads) -> int:
    """Return a tensor without what negative pads cut off."""
    cuts = [(min(before, 0), min(after, 0)) for before, after in pads]
    if not any(sum(pair) for pair in cuts):
        return tensor
    sizes = _sizes(step, tensor, cuts)
    begin = step.low.numbers([-before for before, _ in cuts], "begin")
    return step.emit("SLICE", [tensor, begin, step.low.numbers(sizes, "size")], sizes)


def padded(step: Step, tensor: int, pads: Pads, filler: float = 0.0) -> int:
    """Return a tensor padded with a number; int8 ones with zeros only.

    Args:
        step: the node that needs it.
        tensor: what is padded.
        pads: negative ones cut off.
        filler: the number.
    """
    tensor = _cut(step, tensor, pads)
    grown = [(max(before, 0), max(after, 0)) for before, after in pads]
    if not any(sum(pair) for pair in grown):
        return tensor
    inputs = [tensor, step.low.numbers(grown, "pads")]
    if filler == 0:
        return step.emit("PAD", inputs, _sizes(step, tensor, grown))
    return step.emit("PADV2", [*inputs, step.scalar(filler)], _sizes(step, tensor, grown))


def _mirrored(step: Step, tensor: int, pads: Pads, mode: int) -> int:
    inputs = [tensor, step.low.numbers(pads, "pads")]
    return step.emit("MIRROR_PAD", inputs, _sizes(step, tensor, pads), mode=mode)


def _taken_from(step: Step, tensor: int, pads: Pads) -> int:
    """Mirror a few rows and columns by slices: one after the other along each axis."""
    for place, (before, after) in enumerate(pads):
        if not before and not after:
            continue
        shape = step.low.tensor(tensor).shape
        last = shape[place] - 1
        rows = [*range(before, 0, -1), None, *range(last - 1, last - 1 - after, -1)]
        one = (*shape[:place], 1, *shape[place + 1 :])
        size = step.low.numbers(one, "size")
        parts = []
        for row in rows:
            if row is None:
                parts.append(tensor)
                continue
            begin = step.low.numbers([row if p == place else 0 for p in range(len(shape))], "begin")
            parts.append(step.emit("SLICE", [tensor, begin, size], one))
        wide = (*shape[:place], shape[place] + before + after, *shape[place + 1 :])
        tensor = step.emit("CONCATENATION", parts, wide, axis=place)
    return tensor


def _repeated(step: Step, tensor: int, pads: Pads) -> int:
    """Repeat the edge: mirroring with the edge itself does that for one pixel at a time."""
    left = list(pads)
    while any(sum(pair) for pair in left):
        one = [(min(before, 1), min(after, 1)) for before, after in left]
        tensor = _mirrored(step, tensor, one, _SYMMETRIC)
        left = [(b - x, a - y) for (b, a), (x, y) in zip(left, one, strict=True)]
    return tensor


def pad(step: Step) -> None:
    """Write a Pad as PAD, PADV2 or MIRROR_PAD."""
    value = step.value()
    rank = len(value.shape)
    given = step.ints(1, "pads")
    if given is None:
        raise step.refusal("it does not say how much to pad")
    axes = [axis % rank for axis in (step.ints(3, "axes") or range(rank))]
    by_axis = {a: (given[i], given[i + len(axes)]) for i, a in enumerate(axes)}
    pads = [by_axis.get(axis, (0, 0)) for axis in value.order]
    tensor = step.low.arranged(value, value.order)
    if step.low.tensor(tensor).shape != stored_shape(value.shape, value.order):
        raise step.refusal("its input is stored in another shape")
    mode = step.attributes.get("mode", b"constant")
    if mode == b"constant":
        filler = float(step.array(2).ravel()[0]) if step.given(2) else 0.0
        step.take(padded(step, tensor, pads, filler), value.order)
        return
    tensor = _cut(step, tensor, pads)
    grown = [(max(before, 0), max(after, 0)) for before, after in pads]
    if mode == b"reflect":
        few = max(sum(pair) for pair in grown) < _JOINED
        made = _taken_from(step, tensor, grown) if few else _mirrored(step, tensor, grown, _REFLECT)
        step.take(made, value.order)
    elif mode == b"edge":
        step.take(_repeated(step, tensor, grown), value.order)
    else:
        raise step.refusal(f"padding mode {mode.decode()!r} is not in TFLite")


HANDLERS = {"Pad": pad}
