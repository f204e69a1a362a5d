"""Factors and shifts per channel go into the layer next to them, where that is exact."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import FoldBatchnorm
from tests.quantize.graphs import (
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    kinds,
    modulated,
    rewritten,
)

WIDTH = 4
AFFINE = ("BatchNormalization", "Mul", "Div", "Add", "Sub", "from", "number")


def _affine(s: Sketch, x: str, kind: str, width: int, rank: int = 4) -> str:
    if kind == "BatchNormalization":
        spread = s.keep(s.rng.uniform(0.5, 2, width))
        return s.op(kind, x, s.noise(width), s.noise(width), s.noise(width), spread)
    if kind == "number":
        return s.op("Mul", s.keep(0.5), x)
    value = s.keep(s.rng.uniform(0.5, 2, (width, 1, 1) if rank == 4 else (width,)))
    return s.op("Sub", value, x) if kind == "from" else s.op(kind, x, value)


def _layer(s: Sketch, x: str, kind: str, group: int, bias: bool, **attrs: Any) -> str:
    if kind == "Gemm":
        names = [x, s.noise(WIDTH, 6), *([s.noise(6)] if bias else [])]
        return s.op(kind, *names, alpha=0.5, beta=2.0)
    shape = (WIDTH, 6 // group, 3, 3) if kind == "ConvTranspose" else (6, WIDTH // group, 3, 3)
    names = [x, s.noise(*shape), *([s.noise(6)] if bias else [])]
    return s.op(kind, *names, group=group, **attrs)


def _behind(layer: str, affine: str, group: int, bias: bool) -> onnx.ModelProto:
    s = Sketch()
    rank = 2 if layer == "Gemm" else 4
    x = s.input("x", 1, WIDTH, *([5, 5] if rank == 4 else []))
    attrs = {} if rank == 2 else {"pads": [1] * 4}
    y = _affine(s, _layer(s, x, layer, group, bias, **attrs), affine, 6, rank)
    s.op("Tanh", y, output="output")
    return s.model("output")


@given(
    st.sampled_from(["Conv", "ConvTranspose", "Gemm"]),
    st.sampled_from(AFFINE),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_behind_a_layer(layer: str, affine: str, group: int, bias: bool) -> None:
    model = rewritten(_behind(layer, affine, group, bias), FoldBatchnorm()).model
    assert kinds(model) == {layer, "Tanh"}
    assert_settled(model, FoldBatchnorm())


def _in_front(layer: str, affine: str, group: int, pads: int) -> onnx.ModelProto:
    s = Sketch()
    rank = 2 if layer == "Gemm" else 4
    x = s.op("Tanh", s.input("x", 1, WIDTH, *([5, 5] if rank == 4 else [])))
    attrs = {} if rank == 2 else {"pads": [pads] * 4}
    _layer(s, _affine(s, x, affine, WIDTH, rank), layer, group, True, **attrs)
    s.op("Relu", s.nodes[-1].output[0], output="output")
    return s.model("output")


@given(st.sampled_from(["Conv", "Gemm"]), st.sampled_from(AFFINE), st.sampled_from([1, 2]))
def test_in_front_of_a_layer_that_pads_nothing(layer: str, affine: str, group: int) -> None:
    model = rewritten(_in_front(layer, affine, group, 0), FoldBatchnorm()).model
    assert kinds(model) == {layer, "Tanh", "Relu"}
    assert_settled(model, FoldBatchnorm())


@pytest.mark.parametrize("layer", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("affine", ["Mul", "Div", "number"])
def test_factors_in_front_of_padding(layer: str, affine: str) -> None:
    model = rewritten(_in_front(layer, affine, 2, 1), FoldBatchnorm()).model
    assert kinds(model) == {layer, "Tanh", "Relu"}


@pytest.mark.parametrize("affine", ["Add", "BatchNormalization"])
@pytest.mark.parametrize(("layer", "pads"), [("Conv", 1), ("ConvTranspose", 0)])
def test_shifts_do_not_pass_borders(layer: str, pads: int, affine: str) -> None:
    assert_untouched(_in_front(layer, affine, 1, pads), FoldBatchnorm())


def test_a_chain_goes_all_in() -> None:
    s = Sketch()
    x = s.op("Mul", s.input("x", 1, 3, 6, 6), s.noise(1, 3, 1, 1))
    y = s.conv(x, 3, WIDTH)
    for kind in ("Mul", "Add", "BatchNormalization", "number"):
        y = _affine(s, y, kind, WIDTH)
    s.op("Relu", y, output="output")
    assert kinds(rewritten(s.model("output"), FoldBatchnorm()).model) == {"Conv", "Relu"}


def test_shared_weights_are_not_shared_any_more() -> None:
    s = Sketch()
    x, weight = s.input("x", 1, 3, 6, 6), s.noise(3, 3, 1, 1)
    first = s.op("Mul", s.op("Conv", x, weight), s.noise(3, 1, 1))
    s.op("Add", first, s.op("Conv", x, weight), output="output")
    model = rewritten(s.model("output"), FoldBatchnorm()).model
    assert count(model, "Mul") == 0
    assert len(model.graph.initializer) == 2


def test_the_output_keeps_its_name() -> None:
    s = Sketch()
    s.op("Mul", s.conv(s.input("x", 1, 3, 4, 4), 3, 2), s.keep(2.0), output="output")
    model = rewritten(s.model("output"), FoldBatchnorm()).model
    assert [node.output[0] for node in model.graph.node] == ["output"]


def _left_alone(kind: str) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    y = s.conv(x, 3, 1 if kind == "grows" else WIDTH)
    if kind == "read twice":
        s.op("Add", s.op("Mul", y, s.noise(WIDTH, 1, 1)), y, output="output")
    elif kind == "an output":
        s.nodes[-1].output[0] = "output"
        s.op("Relu", s.op("Mul", "output", s.keep(2.0)), output="other")
        return s.model("output", "other")
    elif kind == "places":
        s.op("Mul", y, s.noise(4, 4), output="output")
    elif kind == "grows":
        s.op("Mul", y, s.noise(WIDTH, 1, 1), output="output")
    elif kind == "two batches":
        s.op("Mul", y, s.noise(2, WIDTH, 1, 1), output="output")
    else:
        s.op("Div", s.keep(1.0), s.op("Exp", y), output="output")
    return s.model("output")


@pytest.mark.parametrize(
    "kind", ["read twice", "an output", "places", "grows", "two batches", "divides"]
)
def test_left_alone(kind: str) -> None:
    assert_untouched(_left_alone(kind), FoldBatchnorm())


def test_weights_that_are_computed_are_left_alone() -> None:
    s = Sketch()
    x, source = s.input("x", 1, WIDTH, 4, 4), s.input("source", 1, 512)
    y = modulated(s, x, source, WIDTH)
    s.op("Add", y, s.noise(WIDTH, 1, 1), output="output")
    assert count(rewritten(s.model("output"), FoldBatchnorm()).model, "Add") == 2


def test_zero_is_not_divided_by() -> None:
    s = Sketch()
    y = s.conv(s.input("x", 1, 3, 4, 4), 3, 2)
    s.op("Div", y, s.keep([[[1.0]], [[0.0]]]), output="output")
    assert_untouched(s.model("output"), FoldBatchnorm())
