from __future__ import annotations

import numpy as np
import pytest

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from quantize.passes._infra.engine import run_model
from tests.quantize.export.tflite.runtimes import (
    needs_schema,
    operators,
    run_everywhere,
    worst,
    written,
)
from tests.quantize.graphs import Sketch

needs_schema()


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [[2, 3], [1], [-1], [1, 2, 3], None])
@pytest.mark.parametrize("keep", [0, 1])
def test_over_axes(kind: str, axes: list[int] | None, keep: int) -> None:
    s = Sketch()
    given = {} if axes is None else {"axes": axes}
    s.op(kind, s.input("x", 1, 3, 6, 8), output="y", keepdims=keep, **given)
    written(s.model("y"))


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceSumSquare", "ReduceL2"])
@pytest.mark.parametrize("axes", [(2, 3), (1,)])
@pytest.mark.parametrize("keep", [0, 1])
def test_sums(kind: str, axes: tuple[int, ...], keep: int) -> None:
    s = Sketch(opset=18)
    s.op(kind, s.input("x", 1, 3, 6, 8), s.ints(*axes), output="y", keepdims=keep)
    written(s.model("y"))


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
def test_whole_pictures(kind: str) -> None:
    s = Sketch()
    s.op(kind, s.input("x", 1, 3, 6, 8), output="y")
    written(s.model("y"))


def test_no_axes_may_mean_nothing() -> None:
    s = Sketch(opset=18)
    x = s.input("x", 1, 3, 6, 8)
    s.op("Relu", s.op("ReduceMean", x, noop_with_empty_axes=1), output="y")
    assert operators(to_tflite(s.model("y"))) == {"RELU": 1}  # ONNX Runtime 1.23 fails on it


def test_sums_over_nothing_are_refused() -> None:
    s = Sketch(opset=18)
    s.op("ReduceSum", s.input("x", 1, 3, 6, 8), output="y", noop_with_empty_axes=1)
    with pytest.raises(TFLiteError, match=r"'ReduceSum_y' \(ReduceSum\)"):
        to_tflite(s.model("y"))


@pytest.mark.parametrize("side", [(256, 256), (61, 67)])  # the latter: primes, nothing to group
def test_means_over_large_pictures_keep_their_digits(side: tuple[int, int]) -> None:
    s = Sketch()
    x = s.input("x", 1, 3, *side)
    s.op("ReduceMean", s.op("Mul", x, x), output="y", axes=[2, 3], keepdims=1)
    model = s.model("y")
    values = np.random.default_rng(0).random((1, 3, *side), np.float32) * 10
    exact = (values.astype(np.float64) ** 2).mean(axis=(2, 3), keepdims=True)
    results = run_everywhere(to_tflite(model), {"x": values})
    relative = worst(results, {"y": exact}) / exact.max()
    assert relative < (5e-7 if side == (256, 256) else 5e-6)


@pytest.mark.parametrize("side", [(64, 64), (61, 67), (256, 256)])
def test_int8_means_over_large_pictures_are_rounded_once(side: tuple[int, int]) -> None:
    s = Sketch()
    x = s.input("x", 1, 3, *side)
    # A zero point that is whole in both scales: LiteRT's own kernel cuts off the rest of it.
    fine, coarse = (
        (s.keep(scale), s.keep(zero, kind=np.int8)) for scale, zero in ((1 / 128, -4), (1 / 64, 5))
    )
    x = s.op("DequantizeLinear", s.op("QuantizeLinear", x, *fine), *fine)
    x = s.op("QuantizeLinear", s.op("GlobalAveragePool", x), *coarse)
    s.op("Reshape", s.op("DequantizeLinear", x, *coarse), s.ints(1, 3), output="y")
    model = s.model("y")
    middles = np.array([-0.7, 0.1, 0.63], np.float32).reshape(1, 3, 1, 1)
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 3, *side))
    feeds = {"x": (middles + noise).astype(np.float32)}
    (expected,) = run_model(model, [feeds])
    data = to_tflite(model)
    assert worst(run_everywhere(data, feeds), expected) < 1e-6
    assert (operators(data)["MEAN"], operators(data)["DEQUANTIZE"]) == (1, 1)


def test_large_sums_agree() -> None:
    s = Sketch(opset=18)
    s.op("ReduceSum", s.input("x", 1, 3, 64, 64), s.ints(2, 3), output="y", keepdims=0)
    model = s.model("y")
    feeds = {"x": np.random.default_rng(0).random((1, 3, 64, 64), np.float32)}
    (expected,) = run_model(model, [feeds])
    assert worst(run_everywhere(to_tflite(model), feeds), expected) < 1e-2
