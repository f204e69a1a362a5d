"""Cut a value into parts, in the words of the graph's opset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quantize.passes._infra.graph import Graph

_SIZES_ARE_INPUT_FROM = 13  # opset; before it, they are an attribute


def split(
    graph: Graph, name: str, sizes: Sequence[int], axis: int, outputs: Sequence[str] = ()
) -> list[str]:
    """Add a Split and return the names of its parts.

    Args:
        graph: the graph.
        name: what is cut.
        sizes: of the parts along the axis.
        axis: along which.
        outputs: names of the parts; made from `name` when not given.
    """
    inputs, given = [name], {"axis": axis}
    parts = list(outputs) or [graph.new_name(f"{name}_part") for _ in sizes]
    if graph.opset >= _SIZES_ARE_INPUT_FROM:
        inputs.append(graph.store(np.array(sizes, np.int64), f"{name}_sizes"))
        return graph.add_many("Split", inputs, parts, **given)
    return graph.add_many("Split", inputs, parts, split=list(sizes), **given)
