"""Uneven Split to Slice: NNAPI splits into equal parts alone."""

from __future__ import annotations

from itertools import accumulate
from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite


class UnevenSplit(Rewrite[tuple[int, ...]]):
    """Cut each part out by itself where they differ in size.

    1. Split(x, sizes) with unequal sizes -> Slice(x, start, end) for each part that is read.
    2. Equal sizes, and sizes that are not constant: left alone.
    """

    name: ClassVar[str] = "uneven_split"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> tuple[int, ...] | None:
        """Find a Split into unequal parts; return their sizes."""
        if node.op_type != "Split":
            return None
        stated = attributes(node).get("split")  # before opset 13
        if len(node.input) > 1 and node.input[1]:
            stated = graph.constant(node.input[1])
        sizes = tuple(int(size) for size in stated) if stated is not None else ()
        return sizes if len(set(sizes)) > 1 else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: tuple[int, ...]) -> None:
        """Write the Slices."""
        axis = graph.store(np.array([attributes(node).get("axis", 0)]), "split_axis")
        ends = list(accumulate(match))
        graph.remove(node)
        for name, start, end in zip(node.output, [0, *ends], ends, strict=False):
            if name:
                bounds = [graph.store(np.array([n]), f"{name}_bound") for n in (start, end)]
                graph.add("Slice", [node.input[0], *bounds, axis], output=name)
