"""CRD becomes DCR, by sorting weights where that is possible."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import DepthToSpaceDcr
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, count, kinds, rewritten


def _mode(model: onnx.ModelProto) -> bytes:
    node = next(node for node in model.graph.node if node.op_type == "DepthToSpace")
    return next(bytes(entry.s) for entry in node.attribute if entry.name == "mode")


@given(st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_the_convolution_sorts(channels: int, block: int, activated: bool) -> None:
    s = Sketch()
    x = s.conv(s.input("x", 1, 2, 3, 4), 2, channels * block * block)
    x = s.op("Sigmoid", s.op("LeakyRelu", x)) if activated else x
    s.op("DepthToSpace", x, output="output", blocksize=block, mode="CRD")
    before = s.model("output")
    nodes = len(before.graph.node)
    result = rewritten(before, DepthToSpaceDcr())
    assert _mode(result.model) == b"DCR"
    assert len(result.model.graph.node) == nodes
    assert_settled(result.model, DepthToSpaceDcr())


def _other(kind: str) -> onnx.ModelProto:
    s = Sketch()
    batch: int | str = "n" if kind == "open sizes" else 1
    x = s.input("x", batch, 8, 3, 4)
    if kind == "grouped":
        x = s.conv(x, 8, 8, group=2)
    elif kind == "read twice":
        x = s.conv(x, 8, 8)
    elif kind == "by channel":
        x = s.op("Mul", s.conv(x, 8, 8), s.noise(8, 1, 1))
    y = s.op("DepthToSpace", x, blocksize=2, mode="CRD")
    if kind == "read twice":
        s.op("Neg", x, output="other")
        s.op("Abs", y, output="output")
        return s.model("output", "other")
    s.op("Abs", y, output="output")
    return s.model("output")


@pytest.mark.parametrize("kind", ["input", "grouped", "read twice", "by channel"])
def test_a_transpose_sorts(kind: str) -> None:
    result = rewritten(_other(kind), DepthToSpaceDcr())
    assert _mode(result.model) == b"DCR"
    assert count(result.model, "Transpose") == 1
    assert result.difference == 0


def test_a_gather_sorts() -> None:
    model = rewritten(_other("open sizes"), DepthToSpaceDcr()).model
    assert kinds(model) == {"Gather", "DepthToSpace", "Abs"}


def test_shared_weights_are_not_sorted_for_others() -> None:
    s = Sketch()
    x, weight = s.input("x", 1, 2, 3, 3), s.noise(8, 2, 1, 1)
    y = s.op("DepthToSpace", s.op("Conv", x, weight), blocksize=2, mode="CRD")
    z = s.op("DepthToSpace", s.op("Conv", x, weight), blocksize=2, mode="DCR")
    s.op("Add", y, z, output="output")
    assert rewritten(s.model("output"), DepthToSpaceDcr()).difference <= np.finfo(np.float32).eps


def test_nothing_to_do() -> None:
    s = Sketch()
    s.op("DepthToSpace", s.input("x", 1, 4, 2, 2), output="output", blocksize=2)
    assert_untouched(s.model("output"), DepthToSpaceDcr())
