"""DCR becomes CRD, by sorting weights where that is possible; there and back changes nothing."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import DepthToSpaceCrd, DepthToSpaceDcr
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, count, rewritten


def _mode(model: onnx.ModelProto) -> bytes:
    node = next(node for node in model.graph.node if node.op_type == "DepthToSpace")
    return next(bytes(entry.s) for entry in node.attribute if entry.name == "mode")


@given(st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_the_convolution_sorts(channels: int, block: int, stated: bool) -> None:
    s = Sketch()
    x = s.op("Relu", s.conv(s.input("x", 1, 2, 3, 4), 2, channels * block * block))
    s.op("DepthToSpace", x, output="output", blocksize=block, **({"mode": "DCR"} if stated else {}))
    before = s.model("output")
    nodes = len(before.graph.node)
    result = rewritten(before, DepthToSpaceCrd())
    assert _mode(result.model) == b"CRD"
    assert len(result.model.graph.node) == nodes
    assert_settled(result.model, DepthToSpaceCrd())


@pytest.mark.parametrize("channels", [4, 12])
def test_a_transpose_sorts(channels: int) -> None:
    s = Sketch()
    s.op("DepthToSpace", s.input("x", 1, channels, 3, 2), output="output", blocksize=2)
    result = rewritten(s.model("output"), DepthToSpaceCrd())
    assert _mode(result.model) == b"CRD"
    assert count(result.model, "Transpose") == 1


def test_there_and_back() -> None:
    s = Sketch()
    s.op("DepthToSpace", s.conv(s.input("x", 1, 2, 3, 4), 2, 12), output="output", blocksize=2)
    there = rewritten(s.model("output"), DepthToSpaceCrd()).model
    assert _mode(rewritten(there, DepthToSpaceDcr()).model) == b"DCR"


def test_nothing_to_do() -> None:
    s = Sketch()
    s.op("DepthToSpace", s.input("x", 1, 4, 2, 2), output="output", blocksize=2, mode="CRD")
    assert_untouched(s.model("output"), DepthToSpaceCrd())
