"""What stays float32, and the reason that is given."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.calibrate import Ranges, calibrate
from quantize.fp16_rules import float32_only, nodes_to_keep
from quantize.passes._infra.graph import Graph
from quantize.samples import Samples
from tests.quantize.graphs import Sketch, decomposed_norm, modulated


def _kept(sketch: Sketch, output: str, ranges: Ranges | None = None) -> dict[str, str]:
    sketch.op("Identity", output, output="output")
    return nodes_to_keep(Graph(sketch.model("output")), ranges)


def _kinds(kept: dict[str, str]) -> list[str]:
    return [name.split("_")[0] for name in kept]


def test_a_written_out_norm() -> None:
    s = Sketch()
    x = s.op("Tanh", s.input("x", 1, 4, 8, 8))
    y = s.op("Add", s.op("Mul", decomposed_norm(s, x), s.noise(1, 4, 1, 1)), s.noise(1, 4, 1, 1))
    kept = _kept(s, s.op("Relu", y))
    # The order of the graph: the mean, x - mean, its square, the mean of that, + epsilon, ...
    wanted = ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Reciprocal", "Mul"]
    assert sorted(_kinds(kept)) == sorted(wanted)


def test_a_norm_by_mean_of_squares() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    mean, squares = s.mean(x), s.mean(s.op("Pow", x, s.keep(2.0)))
    variance = s.op("Sub", squares, s.op("Mul", mean, mean))
    root = s.op("Sqrt", s.op("Add", variance, s.keep(1e-5)))
    kept = _kept(s, s.op("Div", s.op("Sub", x, mean), root))
    assert len(kept) == 9


def test_weights_that_are_normalised() -> None:
    s = Sketch()
    x, source = s.input("x", 1, 4, 8, 8), s.input("source", 1, 512)
    kept = _kept(s, modulated(s, x, source, 4))
    assert sorted(_kinds(kept)) == ["Add", "Div", "Mul", "ReduceSum", "Sqrt"]


@pytest.mark.parametrize(
    ("exponent", "stays"), [(2.0, False), (3.0, False), (0.5, True), (-1.0, True), (2.5, True)]
)
def test_powers(exponent: float, stays: bool) -> None:
    s = Sketch()
    x = s.input("x", 1, 4)
    assert bool(_kept(s, s.op("Pow", x, s.keep(exponent)))) == stays


def test_attention_keeps_the_mean_alone() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    gate = s.op("Sigmoid", s.conv(s.op("GlobalAveragePool", x), 4, 4, 1))
    assert _kinds(_kept(s, s.op("Mul", x, gate))) == ["GlobalAveragePool"]


def test_ordinary_layers_do_not_stay() -> None:
    s = Sketch()
    x = s.op("PRelu", s.conv(s.input("x", 1, 3, 8, 8), 3, 8), s.noise(8, 1, 1))
    scales = s.keep([1, 1, 2, 2])
    x = s.op("DepthToSpace", s.op("Resize", x, "", scales, mode="linear"), blocksize=2, mode="CRD")
    x = s.op("ConvTranspose", x, s.noise(2, 3, 2, 2), strides=[2, 2])
    x = s.op("MaxPool", s.op("Div", x, s.keep(2.0)), kernel_shape=[3, 3])
    x = s.op("Clip", x, s.keep(0.0), s.keep(np.inf))
    assert _kept(s, s.op("Softmax", x)) == {}


def test_operators_without_half_precision() -> None:
    s = Sketch()
    x = s.input("x", 4, 4)
    upper = s.op("CumSum", x, s.ints(0))
    number = s.op("Cast", s.op("Shape", upper), to=onnx.TensorProto.FLOAT)
    kept = _kept(s, s.op("Det", s.op("Mul", upper, s.op("ReduceMax", number))))
    assert [kept[name] for name in kept if name.startswith("Cast")] == [
        "makes float32 of something else"
    ]


def test_scales_that_are_computed() -> None:
    s = Sketch()
    x, scales = s.input("x", 1, 1, 4, 4), s.input("scales", 4)
    kept = _kept(s, s.op("Resize", x, "", s.op("Abs", scales), mode="nearest"))
    assert "reads float32 that is computed" in kept.values()


def test_inputs_that_are_float32_whatever_happens() -> None:
    s = Sketch()
    x = s.input("x", 1, 1, 4, 4)
    s.op("Resize", x, s.keep([0.0] * 8), s.keep([1, 1, 2, 2]), mode="nearest", output="output")
    graph = Graph(s.model("output"))
    assert [float32_only(graph, graph.nodes[0], index) for index in range(3)] == [
        False,
        True,
        True,
    ]


def _through_tanh(scale: float) -> tuple[Sketch, str]:
    s = Sketch()
    return s, s.op("Tanh", s.op("Mul", s.input("x", 1, 512), s.keep(scale)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.linspace(-1, 1, 512), ""),
        (np.linspace(0, 16000, 512), ""),
        (np.linspace(0, 17000, 512), "reaches 1.7e+04"),
        (np.linspace(-70000, 0, 512), "reaches 7e+04"),
        (np.linspace(-1e-5, 1e-5, 512), "is mostly below 6.1e-05"),
        (np.r_[np.full(500, 3e-5), np.full(12, 1e-2)], "is mostly below 6.1e-05"),
        (np.r_[np.full(500, 0.0), np.full(12, 1e-2)], ""),  # behind a ReLU
        (np.r_[np.full(500, 3e-5), np.full(12, 1.0)], ""),  # a mask: they do not count beside 1
        (np.zeros(512), ""),
    ],
)
def test_what_calibration_saw(values: np.ndarray, reason: str) -> None:
    s, output = _through_tanh(1.0)
    s.op("Identity", output, output="output")
    model = s.model("output")
    feeds = {"x": values.astype(np.float32)[None]}
    ranges = calibrate(model, Samples((feeds,), "test", "0" * 64), cache=None)
    kept = nodes_to_keep(Graph(model), ranges)
    assert all(reason in text for text in kept.values())
    assert bool(kept) == bool(reason)
    if reason.startswith("reaches"):
        assert _kinds(kept) == ["Mul", "Tanh"]  # what makes the value, and what reads it


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
def test_a_norm_whose_sum_is_a_product(kind: str) -> None:
    """Squares times squared weights, the epsilon as the product's bias."""
    s = Sketch()
    x = s.input("x", 1, 64)
    square = s.op("Mul", s.op("Tanh", x), s.op("Tanh", x))
    square = s.op("Mul", square, square)
    weight = s.keep(s.rng.uniform(0, 1, (64, 32)))
    if kind == "Gemm":
        energy = s.op("Gemm", square, weight, s.keep(np.full(32, 1e-8)))
    else:
        energy = s.op("Add", s.op("MatMul", square, weight), s.keep(1e-8))
    kept = _kept(s, s.op("Tanh", s.op("Reciprocal", s.op("Sqrt", energy))))
    wanted = ["Mul", kind, "Sqrt", "Reciprocal", *(["Add"] if kind == "MatMul" else [])]
    assert sorted(_kinds(kept)) == sorted(wanted)


@pytest.mark.parametrize(("bias", "stays"), [(1e-9, False), (1.0, False), (7e4, True)])
def test_biases_may_be_small(bias: float, stays: bool) -> None:
    s = Sketch()
    x = s.input("x", 1, 8, 4, 4)
    y = s.op("Conv", x, s.noise(8, 8, 1, 1), s.keep(np.full(8, bias)))
    assert bool(_kept(s, y)) == stays


def test_weights_that_lose_too_much() -> None:
    s = Sketch()
    kept = _kept(s, s.op("Mul", s.op("Tanh", s.input("x", 1, 64)), s.keep(np.full((1, 64), 1e-9))))
    assert kept == {"Mul_v1": "weight 'k0' would become 0 for 100% of its values"}


def test_a_small_node_between_float32_neighbours_joins_them() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    y = s.op("Sqrt", x)
    for _ in range(3):
        y = s.op("Relu", y)
    kept = _kept(s, s.op("InstanceNormalization", y, s.noise(4), s.noise(4)))
    assert list(kept.values()).count("lies between float32 neighbours") == 0

    s = Sketch()
    y = s.op("Relu", s.op("Sqrt", s.input("x", 1, 4, 8, 8)))
    kept = _kept(s, s.op("InstanceNormalization", y, s.noise(4), s.noise(4)))
    assert kept["Relu_v1"] == "lies between float32 neighbours"
