"""Uneven Split to Slice."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import UnevenSplit
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten


def split(sizes: tuple[int, ...], axis: int = 1, opset: int = 17) -> onnx.ModelProto:
    s = Sketch(opset=opset)
    shape = [2, 3, 4, 5]
    shape[axis] = sum(sizes)
    x = s.op("Abs", s.input("x", *shape))
    if opset < 13:
        names = [f"p{index}" for index in range(len(sizes))]
        s.nodes.append(onnx.helper.make_node("Split", [x], names, axis=axis, split=list(sizes)))
    else:
        names = s.split(x, *sizes, axis=axis)
    outputs = [s.op("Neg", name, output=f"y{index}") for index, name in enumerate(names)]
    return s.model(*outputs)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.sampled_from([1, 3, -1]))
def test_parts_are_the_same(sizes: list[int], axis: int) -> None:
    model = split(tuple(sizes), axis)
    if len(set(sizes)) == 1:
        assert_untouched(model, UnevenSplit())
        return
    found = rewritten(model, UnevenSplit())
    assert found.difference == 0
    assert "Split" not in kinds(found.model)
    assert_settled(found.model, UnevenSplit())


@pytest.mark.parametrize("sizes", [(1, 3), (2, 2)])
def test_sizes_that_are_an_attribute(sizes: tuple[int, ...]) -> None:
    found = rewritten(split(sizes, opset=11), UnevenSplit())
    assert ("Split" in kinds(found.model)) is (sizes == (2, 2))
    assert found.difference == 0


def test_a_part_that_nobody_reads_goes() -> None:
    s = Sketch()
    first, _ = s.split(s.input("x", 1, 4, 2, 2), 1, 3)
    s.op("Neg", first, output="y")
    found = rewritten(s.model("y"), UnevenSplit())
    assert [node.op_type for node in found.model.graph.node] == ["Slice", "Neg"]
