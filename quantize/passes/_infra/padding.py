"""Padding, whatever opset says it how, and padding built of slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes


@dataclass(frozen=True, slots=True)
class Padding:
    """What a Pad node adds.

    Attributes:
        mode: "constant", "reflect", "edge" or "wrap".
        before: per axis, how many are added in front; negative numbers cut off.
        after: and behind.
    """

    mode: str
    before: tuple[int, ...]
    after: tuple[int, ...]


def padding_of(graph: Graph, node: onnx.NodeProto) -> Padding | None:
    """Return what a Pad node adds, or None when that is not known before the model runs."""
    shape = graph.shape(node.input[0])
    amounts = graph.constant(node.input[1])
    if shape is None or amounts is None:
        return None
    rank = len(shape)
    axes = list(range(rank))
    if len(node.input) > 3 and node.input[3]:
        listed = graph.constant(node.input[3])
        if listed is None:
            return None
        axes = [int(axis) % rank for axis in listed]
    if amounts.size != 2 * len(axes):
        return None
    before, after = [0] * rank, [0] * rank
    for index, axis in enumerate(axes):
        before[axis] = int(amounts[index])
        after[axis] = int(amounts[index + len(axes)])
    mode = attributes(node).get("mode", b"constant").decode()
    return Padding(mode, tuple(before), tuple(after))


def line(graph: Graph, value: str, axis: int, index: int) -> str:
    """Add a Slice of one line (row, column, ...) and return its name.

    Single lines with step 1, because NNAPI and others know no negative steps.
    """
    end = index + 1 if index != -1 else int(np.iinfo(np.int64).max)
    bounds = [np.array([number], np.int64) for number in (index, end, axis)]
    names = [
        graph.store(n, f"{value}_{h}") for n, h in zip(bounds, ("from", "to", "axis"), strict=True)
    ]
    return graph.add("Slice", [value, *names], hint=value)


def join(graph: Graph, parts: Sequence[str], axis: int, output: str | None, hint: str) -> str:
    """Add a Concat and return its name."""
    return graph.add("Concat", list(parts), output=output, hint=hint, axis=axis)
