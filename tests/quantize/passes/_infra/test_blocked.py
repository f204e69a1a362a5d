"""What fills blocks, and which convolutions are computed in them."""

from __future__ import annotations

from quantize.passes._infra.blocked import (
    fills_blocks,
    is_depthwise,
    is_stored_conv,
    products_per_output,
)
from quantize.passes._infra.graph import Graph
from tests.quantize.graphs import Sketch


def test_blocks_and_convolutions() -> None:
    s = Sketch()
    x, thin = s.input("x", 1, 16, 4, 4), s.input("thin", 1, 12, 4, 4)
    flat = s.op("Neg", s.input("flat", 1, 16))
    weight = s.input("weight", 16, 16, 1, 1)
    deep = s.conv(x, 16, 16, group=16)
    dense = s.conv(x, 16, 8)
    halves = s.conv(x, 16, 16, group=2)
    computed = s.op("Conv", x, weight)
    few = s.op("Neg", thin)
    graph = Graph(s.model(deep, dense, halves, computed, few, flat))
    assert fills_blocks(graph, x)
    assert not any(fills_blocks(graph, name) for name in (thin, flat, dense))
    nodes = [graph.maker(name) for name in (deep, dense, halves, computed)]
    assert [is_stored_conv(graph, node) for node in nodes] == [True, True, True, False]
    assert [is_depthwise(graph, node) for node in nodes if node] == [True, False, False, False]
    assert [products_per_output(graph, node) for node in nodes if node] == [9, 144, 72, 16]
    assert not is_stored_conv(graph, None)
