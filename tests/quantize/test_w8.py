"""8-bit weights: what is stored, how exact it is, and that engines take it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from quantize.engine import Engine
from quantize.errors import GraphError
from quantize.passes import draw_feeds
from quantize.w8 import to_w8
from tests.quantize.graphs import Sketch, count, inswapper_like, modulated
from tests.quantize.half_graphs import (
    FAMILIES,
    STAGES,
    interface,
    precisions,
    prepared,
    worst_psnr,
)


def _stored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family(name: str, stage: str) -> None:
    model = prepared(name, stage)
    before = model.SerializeToString(deterministic=True)
    result = to_w8(model)
    assert model.SerializeToString(deterministic=True) == before
    assert interface(result) == interface(model)
    # Random weights make chaotic graphs: of trained ones, the worst picture keeps 64 dB and more.
    assert worst_psnr(model, result) >= 40
    large = [tensor for tensor in result.graph.initializer if len(tensor.raw_data) > 8192]
    assert {tensor.data_type for tensor in large if tensor.name != "emap"} <= {TensorProto.INT8}
    assert count(result, "DequantizeLinear") == sum(
        tensor.data_type == TensorProto.INT8 for tensor in result.graph.initializer
    )


def test_a_quarter_of_the_size() -> None:
    model = inswapper_like(width=24)
    kept = [tensor for tensor in model.graph.initializer if tensor.name != "emap"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    size = len(model.SerializeToString())
    assert len(to_w8(model).SerializeToString()) <= 0.26 * size


@pytest.mark.parametrize(
    ("kind", "shape", "attrs", "axis"),
    [
        ("Conv", (32, 8, 3, 3), {"pads": [1] * 4}, 0),
        ("ConvTranspose", (8, 32, 3, 3), {}, 1),
        ("ConvTranspose", (8, 32, 3, 3), {"group": 2}, 0),
        ("Gemm", (64, 24), {"transB": 0}, 1),
        ("Gemm", (24, 64), {"transB": 1}, 0),
        ("MatMul", (64, 24), {}, 1),
    ],
)
def test_a_scale_per_channel(
    kind: str, shape: tuple[int, ...], attrs: dict[str, object], axis: int
) -> None:
    s = Sketch()
    x = s.input("x", *((1, 8, 6, 6) if "Conv" in kind else (1, 64)))
    weight = s.noise(*shape)
    s.op(kind, x, weight, output="output", **attrs)
    model = s.model("output")
    result = to_w8(model)
    values, scale = (_stored(result)[f"{weight}_{end}"] for end in ("i8", "scale"))
    assert values.dtype == np.int8
    assert values.shape == shape
    assert values.min() >= -127
    assert scale.shape == (shape[axis],)
    node = result.graph.node[0]
    assert (node.op_type, node.attribute[0].i, node.output[0]) == ("DequantizeLinear", axis, weight)
    along = scale.reshape([-1 if index == axis else 1 for index in range(len(shape))])
    error = np.abs(_stored(model)[weight] - values * along)
    assert np.all(error <= along * 0.501)
    # Each channel uses all of its steps.
    others = tuple(index for index in range(len(shape)) if index != axis)
    assert np.all(np.abs(values.astype(int)).max(axis=others) == 127)
    assert worst_psnr(model, result, samples=1) > 30


def test_biases_and_small_weights_stay_float32() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 8, 8)
    s.op("Relu", s.conv(s.conv(x, 3, 64), 64, 1, 1), output="output")
    model = s.model("output")
    result = to_w8(model)
    floats = {name for name, value in _stored(result).items() if value.dtype == np.float32}
    # The 3x3 weight alone is worth a node.
    assert len(floats) == 4
    assert precisions(result)["INT8"] == 64 * 3 * 9


def test_the_smallest_weights_are_spared() -> None:
    """They are those of the first and last layers, on which the picture hangs."""
    s = Sketch()
    x = s.conv(s.input("x", 1, 3, 8, 8), 3, 48)
    x = s.conv(s.conv(x, 48, 96), 96, 96)
    x = s.conv(s.conv(x, 96, 160, 5), 160, 48)
    s.op("Tanh", s.conv(x, 48, 3), output="output")
    result = to_w8(s.model("output"))
    layers = [node for node in result.graph.node if node.op_type == "Conv"]
    stored = _stored(result)
    assert [node.input[1] in stored for node in layers] == [True, *[False] * 4, True]


def test_modulated_weights_are_stored_small() -> None:
    s = Sketch()
    x, source = s.input("x", 1, 16, 8, 8), s.input("source", 1, 512)
    s.op("Identity", modulated(s, x, source, 16), output="output")
    model = s.model("output")
    result = to_w8(model)
    assert precisions(result)["INT8"] == 16 * 16 * 9 + 16 * 512
    assert worst_psnr(model, result) > 40


def test_layers_that_share_a_weight_go_on_sharing_it() -> None:
    s = Sketch()
    x, weight = s.input("x", 1, 16, 8, 8), s.noise(16, 16, 3, 3, scale=0.1)
    first = s.op("Conv", x, weight, pads=[1] * 4)
    s.op("Conv", first, weight, pads=[1] * 4, output="output")
    assert count(to_w8(s.model("output")), "DequantizeLinear") == 1


def test_what_is_no_weight_stays() -> None:
    s = Sketch()
    x = s.input("x", 32, 32)
    table = s.noise(32, 32)
    s.op("MatMul", s.op("Add", x, table), s.op("Transpose", x, perm=[1, 0]), output="output")
    model = s.model("output")
    assert precisions(to_w8(model)) == precisions(model)


def test_dead_channels_do_not_divide_by_zero() -> None:
    s = Sketch()
    x = s.input("x", 1, 16, 4, 4)
    weight = s.rng.standard_normal((16, 16, 3, 3))
    weight[3] = 0
    s.op("Conv", x, s.keep(weight), pads=[1] * 4, output="output")
    result = Engine(to_w8(s.model("output"))).run({"x": np.ones((1, 16, 4, 4), np.float32)})
    assert np.all(np.isfinite(result["output"]))
    assert np.all(result["output"][:, 3] == 0)


@pytest.mark.parametrize("opset", [11, 12])
def test_older_operators_are_raised(opset: int) -> None:
    s = Sketch(opset=opset)
    x = s.conv(s.input("x", 1, 3, 8, 8), 3, 64)
    column = s.op("Unsqueeze", s.op("Squeeze", s.mean(x), axes=[2, 3]), axes=[2, 3])
    s.op("Mul", x, column, output="output")
    model = s.model("output")
    result = to_w8(model)
    assert result.opset_import[0].version == 13
    assert interface(result) == interface(model)
    assert worst_psnr(model, result) > 35


def test_subgraphs_are_refused() -> None:
    s = Sketch()
    s.op("Identity", s.input("x", 1, 4), output="output")
    model = s.model("output")
    entry = model.graph.node[0].attribute.add()
    entry.name, entry.type = "body", onnx.AttributeProto.GRAPH
    with pytest.raises(GraphError, match="holds a subgraph"):
        to_w8(model)


def test_what_the_engine_makes_of_it() -> None:
    """It keeps the nodes, so that memory stays small too; if that changes, the docs are wrong."""
    s = Sketch()
    x = s.input("x", 1, 16, 16, 16)
    s.op("Relu", s.conv(s.conv(x, 16, 16), 16, 16), output="output")
    model = s.model("output")
    engine = Engine(to_w8(model))
    kinds = [record.operator for record in engine.profile(draw_feeds(model, count=1)[0])]
    assert kinds.count("DequantizeLinear") == 2


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 48),
    rows=st.integers(1, 48),
    power=st.floats(-20, 20),
)
def test_any_weight(channels: int, rows: int, power: float) -> None:
    s = Sketch()
    x = s.input("x", 1, rows)
    s.op("MatMul", x, s.noise(rows, channels, scale=2.0**power), output="output")
    model = s.model("output")
    size, smaller = len(model.SerializeToString()), to_w8(model)
    assert len(smaller.SerializeToString()) <= size + 64  # never larger, but for a node's name
    feeds = {"x": np.ones((1, rows), np.float32)}
    wanted, given = Engine(model).run(feeds)["output"], Engine(smaller).run(feeds)["output"]
    peaks = np.abs(_stored(model)["k0"]).max(axis=0)
    assert np.all(np.abs(wanted - given) <= rows * (peaks / 254 + 1e-5 * peaks) + 1e-12)
