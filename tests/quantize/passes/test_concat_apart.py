"""What follows a Concat is computed for each part by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.passes import ConcatApart
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, count, rewritten


def _model(
    *,
    sizes: tuple[int, ...] = (32, 16),
    between: str = "dp",
    outputs: int = 16,
    computed: bool = False,
    bias: bool = True,
    k: int = 1,
    opset: int = 17,
    also: bool = False,
    slopes: int = 0,
) -> onnx.ModelProto:
    s = Sketch(opset=opset)
    parts = [s.op("Neg", s.input(f"x{i}", 1, n, 5, 4)) for i, n in enumerate(sizes)]
    x, width = s.op("Concat", *parts, axis=1), sum(sizes)
    names = ["y"]
    if also:
        s.op("Abs", x, output="z")
        names.append("z")
    for kind in between:
        if kind == "d":
            x = s.conv(x, width, width, group=width)
        elif kind == "p":
            x = s.op("PRelu", x, s.noise(slopes or width, 1, 1))
        else:
            x = s.op("Tanh", x)
    weight = s.noise(outputs, width, k, k, scale=0.2)
    if computed:
        weight = s.op("Mul", weight, s.input("scale", 1, width, 1, 1))
    more = [s.noise(outputs)] if bias else []
    s.op("Conv", x, weight, *more, pads=[k // 2] * 4, output="y")
    return s.model(*names)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([16, 32]), min_size=2, max_size=3),
    st.sampled_from(["", "d", "p", "dp", "pd", "dpd"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([11, 17]),
)
def test_it_computes_the_same(
    sizes: list[int], between: str, computed: bool, bias: bool, opset: int
) -> None:
    model = _model(
        sizes=tuple(sizes), between=between, computed=computed, bias=bias, opset=opset, outputs=8
    )
    found = rewritten(model, ConcatApart())
    assert found.steps[0].changed
    assert found.difference <= 1e-5
    parts = len(sizes)
    assert count(found.model, "Concat") == 0
    assert count(found.model, "Conv") == parts * (1 + between.count("d"))
    assert count(found.model, "PRelu") == parts * between.count("p")
    assert count(found.model, "Add") == parts - 1
    assert count(found.model, "Split") == int(computed)
    assert_settled(found.model, ConcatApart())


def test_the_bias_is_added_once() -> None:
    model = rewritten(_model(between=""), ConcatApart()).model
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    assert sorted(len(node.input) for node in convs) == [2, 3]


def test_one_slope_for_all_channels() -> None:
    found = rewritten(_model(between="p", slopes=1), ConcatApart())
    assert found.difference <= 1e-5
    slopes = [t for t in found.model.graph.initializer if "slope" in t.name]
    assert sorted(int(np.prod(t.dims)) for t in slopes) == [16, 32]


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": (32, 12)},
        {"sizes": (32,)},
        {"between": "t"},
        {"k": 3},
        {"outputs": 64},
        {"also": True},
    ],
    ids=["blocks not full", "one part", "tanh", "3x3", "a large sum", "read elsewhere"],
)
def test_left_alone(options: dict[str, Any]) -> None:
    assert_untouched(_model(**options), ConcatApart())


def test_another_axis_is_left_alone() -> None:
    s = Sketch()
    parts = [s.input(f"x{i}", 1, 16, 4, 4) for i in range(2)]
    s.op("Conv", s.op("Concat", *parts, axis=2), s.noise(8, 16, 1, 1), output="y")
    assert_untouched(s.model("y"), ConcatApart())
