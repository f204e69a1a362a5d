"""Cut a value into parts, in the words of the graph's opset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quantize.passes._infra.graph import Graph

_SIZES_ARE_INPUT_FROM = 13  # opset; before it, they are an attribute


def split(graph: Graph, name: str, sizes: Sequence[int], axis: int) -> list[str]:
    """Add a Split and return the names of its parts.

    Args:
        graph: the graph.
        name: what is cut.
        sizes: of the parts along the axis.
        axis: along which.
    """
    inputs, given = [name], {"axis": axis}
    if graph.opset >= _SIZES_ARE_INPUT_FROM:
        inputs.append(graph.store(np.array(sizes, np.int64), f"{name}_sizes"))
        return graph.add_many("Split", inputs, len(sizes), hint=name, **given)
    return graph.add_many("Split", inputs, len(sizes), hint=name, split=list(sizes), **given)
