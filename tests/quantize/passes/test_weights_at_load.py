"""8-bit weights of float convolutions: float once, at load."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from quantize.engine import Engine
from quantize.passes import WeightsAtLoad
from tests.quantize.checks.models import layer, rounded, stored
from tests.quantize.graphs import (
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    kinds,
    rewritten,
)
from tests.quantize.int8_cases import fed, outputs

Build = Callable[[Sketch, str], str]


def made(build: Build) -> onnx.ModelProto:
    s = Sketch()
    s.op("Tanh", build(s, s.input("x", 1, 4, 8, 8)), output="y")
    return s.model("y")


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 6), st.sampled_from([1, 3]), st.sampled_from([None, 0, 1]))
def test_it_computes_the_very_same(outputs: int, size: int, axis: int | None) -> None:
    model = made(lambda s, x: s.op("Conv", x, stored(s, outputs, 4, size, size, axis=axis)))
    found = rewritten(model, WeightsAtLoad())
    assert found.difference == 0
    assert kinds(found.model) == {"Cast", "Mul", "Conv", "Tanh"}
    assert_settled(found.model, WeightsAtLoad())


def test_the_engine_computes_the_weight_once() -> None:
    model = rewritten(made(lambda s, x: s.op("Conv", x, stored(s, 4, 4, 3, 3))), WeightsAtLoad())
    ran = Engine(model.model).nodes_per_provider(fed(model.model, 1).feeds[0])
    plain = made(lambda s, x: s.conv(x, 4, 4))
    assert ran == Engine(plain).nodes_per_provider(fed(plain, 1).feeds[0])


def test_a_weight_that_two_layers_read() -> None:
    def build(s: Sketch, x: str) -> str:
        weight = stored(s, 4, 4, 3, 3)
        return s.op("Conv", s.op("Conv", x, weight, pads=[1] * 4), weight, pads=[1] * 4)

    model = made(build)
    right = outputs(model, fed(model))
    done = rewritten(model, WeightsAtLoad()).model
    assert count(done, "Cast") == count(done, "Mul") == 1
    for got, wanted in zip(outputs(done, fed(done)), right, strict=True):
        np.testing.assert_allclose(got["y"], wanted["y"], atol=1e-6)


def _gemm(s: Sketch, x: str) -> str:
    return s.op("Gemm", s.op("Reshape", x, s.ints(1, 256)), stored(s, 256, 8, axis=1))


def _added(s: Sketch, x: str) -> str:
    weight = stored(s, 4, 4, 1, 1)
    return s.op("Add", s.op("Conv", x, weight), s.op("ReduceSum", weight, s.ints(0, 1)))


def _computed(s: Sketch, x: str) -> str:
    numbers = s.op("Cast", s.op("Slice", x, s.ints(0), s.ints(4), s.ints(2)), to=TensorProto.INT8)
    return s.op("Conv", x, s.op("DequantizeLinear", numbers, s.keep(0.1)))


@pytest.mark.parametrize(
    "build",
    [
        lambda s, x: layer(s, x),
        lambda s, x: s.op("Conv", x, stored(s, 4, 4, 3, 3, zero=3)),
        lambda s, x: s.op("Conv", x, stored(s, 4, 4, 3, 3, kind="u8")),
        lambda s, x: rounded(s, x),
        _gemm,
        _added,
        _computed,
    ],
    ids=[
        "8-bit layer",
        "zero point",
        "unsigned",
        "activation",
        "gemm",
        "read elsewhere",
        "computed",
    ],
)
def test_what_is_left_alone(build: Build) -> None:
    assert_untouched(made(build), WeightsAtLoad())


def test_a_scale_per_block_is_left_alone() -> None:
    s = Sketch(opset=21)
    numbers = s.keep(s.rng.integers(-99, 99, (4, 4, 3, 3)), kind=np.int8)
    scale = s.keep(s.rng.uniform(0.01, 0.1, (2, 4, 3, 3)))
    weight = s.op("DequantizeLinear", numbers, scale, axis=0, block_size=2)
    s.op("Conv", s.input("x", 1, 4, 8, 8), weight, output="y")
    assert_untouched(s.model("y"), WeightsAtLoad())


@pytest.mark.parametrize("side", ["before", "behind"])
def test_a_float_layer_beside_a_rounding_is_rewritten(side: str) -> None:
    def build(s: Sketch, x: str) -> str:
        x = rounded(s, x) if side == "before" else x
        x = s.op("Conv", x, stored(s, 4, 4, 3, 3))
        return rounded(s, x) if side == "behind" else x

    assert count(rewritten(made(build), WeightsAtLoad()).model, "Cast") == 1
