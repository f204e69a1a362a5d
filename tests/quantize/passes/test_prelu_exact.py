"""PReLU in operators that engines are fast at."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import PreluExact
from tests.quantize.graphs import (
    TOPOLOGIES,
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    kinds,
    rewritten,
)


def _model(slopes: Any, *shape: int) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", *shape)
    s.op("Neg", s.op("PRelu", x, s.keep(slopes)), output="output")
    return s.model("output")


@given(st.lists(st.floats(-1, 2, width=32), min_size=2, max_size=5, unique=True))
def test_a_slope_per_channel(slopes: list[float]) -> None:
    width = len(slopes)
    rows = [[[slope]] for slope in slopes]
    for shaped in (rows, [rows]):
        model = rewritten(_model(shaped, 1, width, 3, 4), PreluExact()).model
        assert kinds(model) == {"Conv", "Relu", "Add", "Neg"}
        assert count(model, "Conv") == 2
        assert_settled(model, PreluExact())


@pytest.mark.parametrize("slopes", [0.25, [0.25], [[[0.25]]] * 3])
def test_one_slope_for_all(slopes: Any) -> None:
    result = rewritten(_model(slopes, 1, 3, 4, 4), PreluExact())
    assert kinds(result.model) == {"LeakyRelu", "Neg"}
    assert result.difference == 0


@pytest.mark.parametrize(
    ("slopes", "shape"),
    [
        ([0.1, 0.2, 0.3], (1, 3, 3, 3)),
        ([[[0.1, 0.2], [0.3, 0.4]]], (1, 3, 2, 2)),
        ([[[0.1]], [[0.2]]], (2, 2, 4)),
    ],
    ids=["by column", "by place", "three axes"],
)
def test_left_alone(slopes: Any, shape: tuple[int, ...]) -> None:
    assert_untouched(_model(slopes, *shape), PreluExact())


def test_slopes_from_outside_are_left_alone() -> None:
    s = Sketch()
    x, slope = s.input("x", 1, 3, 4, 4), s.input("slope", 3, 1, 1)
    s.op("PRelu", x, slope, output="output")
    assert_untouched(s.model("output"), PreluExact())


def test_mobile() -> None:
    model = rewritten(TOPOLOGIES["mobile"](), PreluExact()).model
    assert "PRelu" not in kinds(model)
