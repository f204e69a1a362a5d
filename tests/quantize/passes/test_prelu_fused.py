"""PReLU as a sum of two convolutions, one with its ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.passes import PreluExact, PreluFused
from tests.quantize.graphs import (
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    kinds,
    rewritten,
)

WIDTH = 16


def _model(
    slopes: Any, *, group: int = 1, inputs: int = 4, k: int = 1, read: int = 1, width: int = WIDTH
) -> onnx.ModelProto:
    s = Sketch()
    x = s.conv(s.input("x", 1, inputs, 6, 5), inputs, width, k, group=group)
    for index in range(read - 1):
        s.op("Abs", x, output=f"also{index}")
    s.op("Tanh", s.op("PRelu", x, s.keep(np.reshape(slopes, (-1, 1, 1)))), output="y")
    return s.model("y", *(f"also{index}" for index in range(read - 1)))


def _slopes(seed: int = 0, width: int = WIDTH) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, width)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 1, width=32), min_size=WIDTH, max_size=WIDTH, unique=True))
def test_any_slopes_up_to_one(slopes: list[float]) -> None:
    for inputs in (4, 32):
        found = rewritten(_model(slopes, inputs=inputs), PreluFused())
        assert found.difference <= 1e-5
        assert kinds(found.model) == {"Conv", "Relu", "Add", "Tanh"}
        assert_settled(found.model, PreluFused())


@pytest.mark.parametrize(
    ("options", "convs"),
    [
        ({"inputs": 16, "group": 16, "k": 3}, 2),  # 9 products an output: it runs twice
        ({"inputs": 16}, 2),
        ({"inputs": 17}, 3),  # 17 products: it runs once
        ({"inputs": 4, "k": 3}, 3),
        ({"read": 2}, 3),
    ],
    ids=["depthwise", "16", "17", "36", "read elsewhere"],
)
def test_a_small_convolution_runs_twice(options: dict[str, int], convs: int) -> None:
    model = rewritten(_model(_slopes(), **options), PreluFused()).model
    assert count(model, "Conv") == convs
    assert count(model, "Relu") == 1
    # The engine fuses a ReLU into the convolution that alone feeds it, and a sum into the other.
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    made = {node.output[0]: node for node in model.graph.node}
    assert made[relu.input[0]].op_type == "Conv"
    assert [node.op_type for node in model.graph.node if relu.input[0] in node.input] == ["Relu"]


def test_many_values_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantize.passes.prelu_fused._MOST_VALUES", WIDTH * 30 - 1)
    assert count(rewritten(_model(_slopes()), PreluFused()).model, "Conv") == 3
    monkeypatch.setattr("quantize.passes.prelu_fused._MOST_VALUES", WIDTH * 30)
    assert count(rewritten(_model(_slopes()), PreluFused()).model, "Conv") == 2


def test_without_a_convolution_in_front() -> None:
    s = Sketch()
    x = s.op("Neg", s.input("x", 1, WIDTH, 3, 4))
    s.op("PRelu", x, s.keep(_slopes().reshape(-1, 1, 1)), output="y")
    model = rewritten(s.model("y"), PreluFused()).model
    assert count(model, "Conv") == 2
    assert "PRelu" not in kinds(model)


@pytest.mark.parametrize(
    ("slopes", "width"),
    [
        ([0.25] * WIDTH, WIDTH),
        ([*_slopes(0, WIDTH - 1), 1.5], WIDTH),
        (_slopes(0, 12), 12),
    ],
    ids=["one for all", "above 1", "blocks not full"],
)
def test_left_to_prelu_exact(slopes: Any, width: int) -> None:
    model = _model(slopes, width=width)
    assert_untouched(model, PreluFused())
    assert "PRelu" not in kinds(rewritten(model, PreluExact()).model)


def test_computed_weights_run_once() -> None:
    s = Sketch()
    x, scale = s.input("x", 1, 4, 5, 5), s.input("scale", 1, 4, 1, 1)
    weight = s.op("Mul", s.noise(WIDTH, 4, 1, 1), scale)
    y = s.op("Conv", x, weight)
    s.op("PRelu", y, s.keep(_slopes().reshape(-1, 1, 1)), output="y")
    model = rewritten(s.model("y"), PreluFused()).model
    assert count(model, "Conv") == 3
