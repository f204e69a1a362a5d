"""Factors that only the run knows become factors of weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.passes import ModulatedWeights
from tests.quantize.graphs import (
    TOPOLOGIES,
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    rewritten,
)

Build = Callable[[Sketch, str, Callable[[int], str]], str]


def model(build: Build, channels: int = 4, batch: int = 1) -> onnx.ModelProto:
    """A picture, and factors that a source makes."""
    s = Sketch()
    x, source = s.input("x", batch, channels, 9, 9), s.input("source", 1, 6)

    def factor(width: int) -> str:
        made = s.op("Gemm", source, s.noise(6, width), s.noise(width))
        return s.op("Reshape", made, s.ints(1, width, 1, 1))

    s.op("Tanh", build(s, x, factor), output="y")
    return s.model("y")


def norm(s: Sketch, x: str, width: int) -> str:
    numbers = [s.noise(width), s.noise(width), s.noise(width), s.keep(s.rng.random(width) + 0.5)]
    return s.op("BatchNormalization", x, *numbers)


def bare(s: Sketch, x: str, inputs: int, outputs: int, k: int = 1, stride: int = 1) -> str:
    weight = s.noise(outputs, inputs, k, k, scale=0.3)
    return s.op("Conv", x, weight, pads=[k // 2] * 4, strides=[stride] * 2)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(lambda ends: any(ends[:2])),
    st.booleans(),
)
def test_it_computes_the_same(
    inputs: int, outputs: int, k: int, stride: int, ends: tuple[bool, bool, bool], turned: bool
) -> None:
    before, behind, normed = ends

    def times(s: Sketch, value: str, factor: str) -> str:
        return s.op("Mul", *((factor, value) if turned else (value, factor)))

    def build(s: Sketch, x: str, factor: Callable[[int], str]) -> str:
        x = times(s, x, factor(inputs)) if before else x
        x = bare(s, x, inputs, outputs, k, stride)
        x = times(s, x, factor(outputs)) if behind else x
        return norm(s, x, outputs) if normed else x

    found = rewritten(model(build, inputs), ModulatedWeights())
    assert found.difference <= 1e-5
    assert found.steps[0].changed
    folded = normed and behind
    assert count(found.model, "BatchNormalization") == (normed and not folded)
    conv = next(node for node in found.model.graph.node if node.op_type == "Conv")
    assert conv.input[0] == "x"
    assert len(conv.input) == (3 if folded else 2)
    assert_settled(found.model, ModulatedWeights())


def test_the_mobile_topology() -> None:
    whole = TOPOLOGIES["mobile"]()
    found = rewritten(whole, ModulatedWeights())
    assert found.difference <= 1e-5


@pytest.mark.parametrize(
    "build",
    [
        lambda s, x, factor: s.conv(s.op("Mul", x, factor(4)), 4, 4),
        lambda s, x, factor: bare(s, s.op("Mul", x, s.noise(1, 4, 1, 1)), 4, 4),
        lambda s, x, factor: s.op("Conv", s.op("Mul", x, factor(4)), s.noise(4, 1, 1, 1), group=4),
        lambda s, x, factor: bare(s, s.op("Mul", x, factor(4)), 4, 200),
        lambda s, x, factor: bare(s, s.op("Mul", x, factor(1)), 4, 4),
        lambda s, x, factor: bare(s, x, 4, 4),
    ],
    ids=["bias", "stored", "groups", "many weights", "one for all", "no factor"],
)
def test_what_is_left_alone(build: Build) -> None:
    assert_untouched(model(build), ModulatedWeights())


def test_what_others_read_is_left_alone() -> None:
    def build(s: Sketch, x: str, factor: Callable[[int], str]) -> str:
        scaled = s.op("Mul", x, factor(4))
        made = bare(s, scaled, 4, 4)
        return s.op("Add", s.op("Mul", made, factor(4)), s.op("Add", scaled, made))

    assert_untouched(model(build), ModulatedWeights())


def test_batches_are_left_alone() -> None:
    build: Build = lambda s, x, factor: bare(s, s.op("Mul", x, factor(4)), 4, 4)  # noqa: E731
    assert_untouched(model(build, batch=2), ModulatedWeights())


def test_shared_weights_stay_what_they_are() -> None:
    def build(s: Sketch, x: str, factor: Callable[[int], str]) -> str:
        weight = s.noise(4, 4, 1, 1)
        x = s.op("Conv", s.op("Mul", x, factor(4)), weight)
        x = norm(s, s.op("Mul", x, factor(4)), 4)
        return s.op("Conv", x, weight)

    found = rewritten(model(build), ModulatedWeights())
    assert found.difference <= 1e-5
    assert np.any([node.op_type == "Reshape" for node in found.model.graph.node])
