"""Where the axes of a value lie in memory.

ONNX counts the axes of a picture as (N, C, H, W); TFLite stores (N, H, W, C). A value here keeps
its ONNX shape and states an order: stored axis i is axis order[i] of the value. So a transposition
costs nothing until somebody insists on another order, and axes of size 1 never cost anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = tuple[int, ...]
Order = tuple[int, ...]

_CHANNELS_LAST: Order = (0, 2, 3, 1)


def natural(rank: int) -> Order:
    """Return the order in which values of a rank are stored where nothing speaks against it."""
    return _CHANNELS_LAST if rank == 4 else tuple(range(rank))


def plain(rank: int) -> Order:
    """Return the order of ONNX itself."""
    return tuple(range(rank))


def stored_shape(shape: Shape, order: Order) -> Shape:
    """Return a value's sizes in the order in which they are stored."""
    return tuple(shape[axis] for axis in order)


def telling(shape: Shape, order: Order) -> Order:
    """Return the axes that decide what memory looks like: those of more than one element."""
    return tuple(axis for axis in order if shape[axis] != 1)


def alike(shape: Shape, first: Order, second: Order) -> bool:
    """Return whether two orders put the same numbers at the same places."""
    return telling(shape, first) == telling(shape, second)


def transposition(now: Order, wanted: Order) -> tuple[int, ...]:
    """Return the permutation of stored axes that leads from one order to another."""
    return tuple(now.index(axis) for axis in wanted)


def completed(shape: Shape, axes: Order) -> Order:
    """Return an order in which the axes of more than one element come as given.

    The natural order where it does that, else the plain one, else axes of size 1 come first.
    """
    rank = len(shape)
    for order in (natural(rank), plain(rank)):
        if telling(shape, order) == axes:
            return order
    return (*(axis for axis in range(rank) if axis not in axes), *axes)


def _groups(old: Shape, new: Shape) -> list[tuple[Order, Order]]:
    """Match axes of a shape with those that a reshape makes of them, in the smallest groups."""
    left = [axis for axis in range(len(old)) if old[axis] != 1]
    right = [axis for axis in range(len(new)) if new[axis] != 1]
    groups = []
    while left:
        mine, other = [left.pop(0)], [right.pop(0)]
        sizes = old[mine[0]], new[other[0]]
        while sizes[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                mine.append(left.pop(0))
                sizes = sizes[0] * old[mine[-1]], sizes[1]
            else:
                other.append(right.pop(0))
                sizes = sizes[0], sizes[1] * new[other[-1]]
        groups.append((tuple(mine), tuple(other)))
    return groups


def _arranged(groups: Sequence[tuple[Order, Order]], axes: Order, side: int) -> list[int] | None:
    """Return the sequence of groups that lays down the axes of a side, or None if none does."""
    place = {axis: index for index, group in enumerate(groups) for axis in group[side]}
    sequence = list(dict.fromkeys(place[axis] for axis in axes))
    laid = tuple(axis for index in sequence for axis in groups[index][side])
    return sequence if laid == axes else None


def reshaped(old: Shape, order: Order, new: Shape) -> tuple[Order, Order]:
    """Return in which order a value must be stored to be reshaped, and the result's order.

    1. Axes that are merged or split lie together in memory: the value stays as it is stored.
    2. Otherwise it must be stored so that the result comes out in its natural order, if there is
       such a way, else in the plain one.

    Args:
        old: sizes of the value.
        order: how it is stored.
        new: sizes that it gets; as many elements.
    """
    assert math.prod(old) == math.prod(new)
    groups = _groups(old, new)
    sequence = _arranged(groups, telling(old, order), 0)
    if sequence is None:
        sequence = _arranged(groups, telling(new, natural(len(new))), 1)
    if sequence is None:
        sequence = list(range(len(groups)))
    before = tuple(axis for index in sequence for axis in groups[index][0])
    after = tuple(axis for index in sequence for axis in groups[index][1])
    return completed(old, before), completed(new, after)


def without(order: Order, removed: Sequence[int]) -> Order:
    """Return the order that is left when axes are taken out."""
    kept = [axis for axis in sorted(order) if axis not in removed]
    return tuple(kept.index(axis) for axis in order if axis not in removed)
