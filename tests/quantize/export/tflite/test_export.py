from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge import resources
from quantize.calibrate import calibrate
from quantize.contract import contract_of
from quantize.errors import GraphError, TFLiteError
from quantize.export.tflite import to_tflite
from quantize.int8 import quantizable, to_int8
from quantize.modelfile import name_nodes
from quantize.passes import (
    STANDARD,
    ConvTransposeToConv,
    DepthToSpaceDcr,
    LiftEmap,
    StaticShapes,
    bake_identity,
    draw_feeds,
    run_passes,
)
from quantize.passes._infra.engine import run_model
from quantize.recipes import load_recipe
from quantize.samples import drawn_samples
from quantize.w8 import to_w8
from tests.quantize.export.tflite.runtimes import (
    model_of,
    needs_schema,
    operators,
    run_everywhere,
    worst,
    written,
)
from tests.quantize.graphs import TOPOLOGIES, Sketch, embedding

needs_schema()

REFERENCE = ("ref_swapper", "ref_embedder", "ref_detector")


@cache
def _bytes(name: str) -> bytes:
    if name in REFERENCE:
        model = onnx.load(str(resources.weights_dir() / f"{name}.onnx"))
    else:
        model = TOPOLOGIES[name]()
    shapes = {"frame": (1, 3, 96, 128)} if name == "ref_detector" else {}
    with TemporaryDirectory() as folder:
        first = (LiftEmap(Path(folder) / "emap.npy"), StaticShapes(shapes))
        return bytes(run_passes(model, first + STANDARD, samples=1).model.SerializeToString())


def _model(name: str) -> onnx.ModelProto:
    """Return a model as it is prepared for all targets."""
    return onnx.load_from_string(_bytes(name))


@pytest.mark.parametrize("name", [*TOPOLOGIES, *REFERENCE])
def test_every_topology_is_exact_and_nothing_is_turned(name: str) -> None:
    model = _model(name)
    data = to_tflite(model)
    (feeds,) = draw_feeds(model, count=1, seed=3)
    (expected,) = run_model(model, [feeds])
    assert worst(run_everywhere(data, feeds), expected) <= 1e-5
    assert not operators(data)["TRANSPOSE"]


@pytest.mark.parametrize("name", [*TOPOLOGIES, *REFERENCE])
def test_half_the_bits(name: str) -> None:
    model = _model(name)
    half = to_tflite(model, weights="fp16")
    # Several inputs: what a detector makes of one picture of noise may be all but nothing.
    drawn = draw_feeds(model, count=4, seed=3)
    expected = run_model(model, drawn)
    made = [list(run_everywhere(half, feeds).values()) for feeds in drawn]
    for each in zip(*made, strict=True):
        for output in expected[0]:
            wanted = np.stack([arrays[output] for arrays in expected])
            got = np.stack([arrays[output] for arrays in each])
            if got.shape != wanted.shape:
                got = got.transpose(0, 1, 4, 2, 3)
            assert np.mean((got - wanted) ** 2) <= np.ptp(wanted) ** 2 * 1e-6  # 60 dB
    if name in REFERENCE:  # the others are so small that names and shapes weigh more
        assert len(half) <= 0.51 * (resources.weights_dir() / f"{name}.onnx").stat().st_size


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_baked_ones_too(name: str) -> None:
    model = _model(name)
    baked = run_passes(model, bake_identity({"source": embedding()}), samples=1).model
    data = to_tflite(baked)
    (feeds,) = draw_feeds(baked, count=1, seed=3)
    (expected,) = run_model(baked, [feeds])
    assert worst(run_everywhere(data, feeds), expected) <= 1e-5


@pytest.mark.parametrize("name", ["inswapper", "mobile", "reference"])
@pytest.mark.parametrize("recipe", ["raspberry_pi", "x86_cpu_small"])
def test_int8_computes_what_it_stands_for(name: str, recipe: str) -> None:
    model = _model(name)
    model = run_passes(model, (ConvTransposeToConv(), DepthToSpaceDcr()), samples=1).model
    name_nodes(model)
    samples = drawn_samples(contract_of(model), 2, 0)
    ranges = calibrate(model, samples, cache=None)
    made = to_int8(model, ranges, load_recipe(recipe))
    assert made.quantized
    data = to_tflite(made.model)
    kinds = operators(data)
    assert kinds["CONV_2D"] + kinds["DEPTHWISE_CONV_2D"] >= len(made.quantized)
    assert not kinds["TRANSPOSE"]
    (feeds,) = draw_feeds(model, count=1, seed=3)
    (exact,) = run_model(model, [feeds])
    (rounded,) = run_model(made.model, [feeds])
    own = np.sqrt(np.mean((rounded["output"] - exact["output"]) ** 2))
    for arrays in run_everywhere(data, feeds).values():
        result = arrays["output"]
        if result.shape != exact["output"].shape:
            result = result.transpose(0, 3, 1, 2)
        # Not farther from the float model than the model it was made of, but for chance.
        assert np.sqrt(np.mean((result - exact["output"]) ** 2)) < 1.2 * own + 1e-4


def test_small_weights_of_a_float_layer_compute_as_in_onnx() -> None:
    model = _model("reference")
    name_nodes(model)
    ranges = calibrate(model, drawn_samples(contract_of(model), 1, 0), cache=None)
    recipe = load_recipe("raspberry_pi")
    floats = quantizable(model, recipe)
    plain, stored = (
        to_int8(model, ranges, recipe, float_layers=floats, small=small).model
        for small in ((), floats)
    )
    data = to_tflite(stored)
    assert operators(data)["DEQUANTIZE"] >= len(floats)
    assert len(data) < 0.9 * len(to_tflite(plain))
    (feeds,) = draw_feeds(model, count=1, seed=3)
    (expected,) = run_model(stored, [feeds])
    assert worst(run_everywhere(data, feeds), expected) <= 1e-5


@pytest.mark.parametrize("name", ["inswapper", "mobile", "hyperswap", "reference"])
def test_weights_in_8_bits_compute_as_in_onnx(name: str) -> None:
    model = to_w8(_model(name))
    data = to_tflite(model)
    assert operators(data)["DEQUANTIZE"]
    (feeds,) = draw_feeds(model, count=1, seed=3)
    (expected,) = run_model(model, [feeds])
    assert worst(run_everywhere(data, feeds), expected) <= 1e-5


def test_names_and_layout_are_what_a_card_states() -> None:
    model = _model("ref_swapper")
    file = model_of(to_tflite(model))
    (signature,) = file.signatureDefs
    graph = file.subgraphs[0]
    assert signature.signatureKey == b"serving_default"
    stored = {
        entry.name.decode(): graph.tensors[entry.tensorIndex]
        for entry in [*signature.inputs, *signature.outputs]
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    assert shapes == {
        "target": (1, 128, 128, 3),
        "source": (1, 512),
        "output": (1, 128, 128, 3),
        "mask": (1, 128, 128, 1),
    }
    assert all(tensor.name.decode() == name for name, tensor in stored.items())
    assert all(tensor.type == 0 for tensor in stored.values())  # float32
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)


def test_operators_are_as_old_as_they_can_be() -> None:
    file = model_of(to_tflite(_model("ref_swapper")))
    assert max(code.version for code in file.operatorCodes) <= 3


def test_weights_that_are_shared_are_stored_once() -> None:
    s = Sketch()
    weight = s.noise(16, 16, 3, 3)
    x = s.input("x", 1, 16, 8, 8)
    for _ in range(3):
        x = s.op("Conv", x, weight, pads=[1] * 4)
    s.op("Relu", x, output="y")
    assert len(to_tflite(s.model("y"))) < 1.8 * 16 * 16 * 9 * 4


def test_inputs_and_constants_may_come_out_again() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 6)
    s.op("Identity", x, output="same")
    s.op("Identity", s.noise(1, 3, 4, 6), output="fixed")
    twice = s.op("Relu", x, output="once")
    s.op("Identity", twice, output="twice")
    written(s.model("same", "fixed", "once", "twice"))


def test_what_is_not_a_picture_keeps_its_shape() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 6, 8)
    s.op("Conv", x, s.noise(5, 4, 1, 1), output="y")
    graph = model_of(to_tflite(s.model("y"))).subgraphs[0]
    ends = [graph.tensors[place] for place in (*graph.inputs, *graph.outputs)]
    assert [tuple(tensor.shape) for tensor in ends] == [(1, 4, 6, 8), (1, 5, 6, 8)]


# What cannot be written


def _of(kind: str, **attrs: Any) -> onnx.ModelProto:
    s = Sketch()
    s.op(kind, s.input("x", 1, 3, 4, 6), output="y", **attrs)
    return s.model("y")


def test_an_operator_without_a_rule_is_named() -> None:
    with pytest.raises(TFLiteError) as caught:
        to_tflite(_of("Erf"))
    message = "node 'Erf_y' (Erf) cannot be written as TFLite: there is no rule for this operator"
    assert str(caught.value) == message


def test_operators_of_other_domains_are_named() -> None:
    model = _of("Relu")
    model.graph.node[0].domain = "somebody.else"
    model.opset_import.append(helper.make_opsetid("somebody.else", 1))
    with pytest.raises(TFLiteError, match=r"'Relu_y' \(Relu\)"):
        to_tflite(model)


def test_sizes_that_are_open_are_named() -> None:
    s = Sketch()
    s.op("Relu", s.input("x", 1, 3, "height", 6), output="y")
    with pytest.raises(TFLiteError, match=r"'x' is not known.*static_shapes"):
        to_tflite(s.model("y"))


def test_inputs_of_other_types_are_refused() -> None:
    value = helper.make_tensor_value_info
    node = helper.make_node("Relu", ["x"], ["y"])
    x, y = ([value(name, TensorProto.FLOAT16, [1, 3])] for name in "xy")
    graph = helper.make_graph([node], "g", x, y)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(TFLiteError, match=r"'x' is not float32"):
        to_tflite(model)


def test_weights_that_were_not_loaded_are_named() -> None:
    s = Sketch()
    s.op("Conv", s.input("x", 1, 3, 4, 6), s.noise(3, 3, 1, 1), output="y")
    model = s.model("y")
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(GraphError, match="not loaded"):
        to_tflite(model)


def test_outputs_of_other_types_are_refused() -> None:
    value = helper.make_tensor_value_info
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)
    x = [value("x", TensorProto.FLOAT, [1, 3])]
    y = [value("y", TensorProto.FLOAT16, [1, 3])]
    graph = helper.make_graph([node], "g", x, y)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(TFLiteError, match="output 'y' is not float32"):
        to_tflite(model)
