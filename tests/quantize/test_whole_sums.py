"""Float layers on whole numbers: what they come to, that no order changes it, and what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from quantize.engine import Engine
from quantize.int8 import Int8Model, to_int8
from quantize.whole_sums import Wholly, with_whole_sums
from tests.quantize.int8_cases import (
    calibrated,
    chain,
    decibel,
    fed,
    kinds_of,
    outputs,
    recipe,
    stored,
)

MODEL = chain("Conv", "LeakyRelu", "Conv", "LeakyRelu", "Conv", seed=3)
ENDS = recipe("raspberry_pi", float_layers=("@first", "@last"))


def made() -> tuple[Int8Model, Wholly]:
    ranges = calibrated(MODEL)
    int8 = to_int8(MODEL, ranges, ENDS)
    return int8, with_whole_sums(int8.model, MODEL, ranges)


def values_of(model: onnx.ModelProto, names: list[str]) -> list[list[NDArray[Any]]]:
    """Return values inside of a model, for each of a few samples."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    twin.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    engine = Engine(twin, kernels="reference")
    return [[engine.run(feeds)[name] for name in names] for feeds in fed(MODEL, seed=9).feeds]


def test_both_ends_compute_on_whole_numbers_that_float32_holds() -> None:
    int8, done = made()
    assert (done.layers, done.left) == (("n0", "n4"), ())
    convs = [node for node in int8.model.graph.node if node.op_type == "Conv"]
    for node in (convs[0], convs[-1]):
        weights, bias = (stored(int8.model)[name].astype(np.float64) for name in node.input[1:])
        assert np.array_equal(weights, np.rint(weights))
        assert np.array_equal(bias, np.rint(bias))
        assert 250 <= np.abs(weights).max() <= 4095
        for read, sums in values_of(int8.model, [node.input[0], node.output[0]]):
            assert np.array_equal(read, np.rint(read))
            assert np.array_equal(sums, np.rint(sums))
            # The worst order that there is: all that is added, then all that is taken away.
            reach = np.abs(weights).sum(axis=(1, 2, 3)) * np.abs(read).max() + np.abs(bias)
            assert reach.max() < 2**25
            assert np.abs(sums).max() < 2**24


def test_the_order_of_the_sums_changes_no_bit() -> None:
    """A layer's channels in another order are another order of its sums."""
    int8, _ = made()
    turned = onnx.ModelProto()
    turned.CopyFrom(int8.model)
    last = next(node for node in reversed(turned.graph.node) if node.op_type == "Conv")
    order = np.random.default_rng(0).permutation(8)
    gathered = helper.make_node("Gather", [last.input[0], "order"], ["turned"], axis=1)
    weights = stored(turned)[last.input[1]][:, order]
    names = {"order": order.astype(np.int64), "turned_weights": weights}
    turned.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in names.items())
    place = list(turned.graph.node).index(last)
    last.input[0], last.input[1] = "turned", "turned_weights"
    turned.graph.node.insert(place, gathered)
    samples = fed(MODEL, seed=9)
    for one, other in zip(outputs(int8.model, samples), outputs(turned, samples), strict=True):
        assert np.array_equal(one["y"], other["y"])


def test_it_costs_next_to_nothing() -> None:
    samples = fed(MODEL, seed=9)
    right = outputs(MODEL, samples)
    plain = to_int8(MODEL, calibrated(MODEL), ENDS)
    before, after = (decibel(outputs(each.model, samples), right) for each in (plain, made()[0]))
    assert after > before - 0.5


def test_8_bit_layers_stay_and_the_factor_is_no_mul() -> None:
    int8, _ = made()
    kinds = kinds_of(int8.model)
    assert kinds["n2"] == "Conv"  # under its own name: not touched
    assert list(kinds.values()).count("Div") == 2


@pytest.mark.parametrize("kind", ["wide", "Gemm"])
def test_what_has_no_room_is_left_and_named(kind: str) -> None:
    from tests.quantize.graphs import Sketch

    s = Sketch()
    if kind == "Gemm":
        s.op("Gemm", s.input("x", 1, 8), s.noise(8, 4), output="y")
    else:  # 2,592 products of one sign each: 2^24 leaves them 80 steps by 80
        weights = s.keep(np.full((4, 288, 3, 3), 0.1))
        s.op("Conv", s.input("x", 1, 288, 6, 6), weights, s.noise(4), output="y", pads=[1] * 4)
    model = s.model("y")
    model.graph.node[0].name = "only"
    before = model.SerializeToString()
    assert with_whole_sums(model, model, calibrated(model)) == Wholly((), ("only",))
    assert model.SerializeToString() == before
