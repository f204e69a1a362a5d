from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from quantize.calibrate import Ranges, calibrate
from quantize.contract import contract_of
from quantize.errors import CalibrationError, GraphError
from quantize.int8 import quantizable, stored_small, to_int8
from quantize.modelfile import name_nodes
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import opset_of
from quantize.passes._infra.shapes import check_model
from quantize.recipes import Recipe, load_recipe, recipe_names
from quantize.samples import drawn_samples
from tests.quantize.graphs import TOPOLOGIES, Sketch
from tests.quantize.int8_cases import (
    calibrated,
    chain,
    decibel,
    fed,
    is_rounded,
    outputs,
    recipe,
    stored,
    topology,
)


def _nodes(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in model.graph.node}


@pytest.mark.parametrize("how", recipe_names())
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_recipe_on_every_topology(name: str, how: str) -> None:
    model, ranges, samples = topology(name)
    shipped = load_recipe(how)
    before = model.SerializeToString(deterministic=True)

    made = to_int8(model, ranges, shipped)

    assert model.SerializeToString(deterministic=True) == before
    check_model(made.model)
    assert made.quantized == quantizable(model, shipped)
    assert made.left_float == ()
    assert made.recipe is shipped
    for side in ("input", "output"):
        olds, news = getattr(model.graph, side), getattr(made.model.graph, side)
        assert [value.name for value in olds] == [value.name for value in news]
        assert all(v.type.tensor_type.elem_type == TensorProto.FLOAT for v in news)
    right = outputs(model, samples)
    # Random weights make no picture: dB are against each output's span.
    assert decibel(outputs(made.model, samples, "reference"), right) > 22
    weights = [_nodes(made.model)[layer].input[1] for layer in made.quantized]
    assert all(is_rounded(made.model, weight) for weight in weights)


@pytest.mark.parametrize("name", ["x86_cpu", "raspberry_pi", "jetson", "android_nnapi_small"])
def test_kernels_compute_what_the_file_says(name: str) -> None:
    model, ranges, samples = topology("inswapper")
    made = to_int8(model, ranges, load_recipe(name)).model
    says = outputs(made, samples, "reference")
    assert decibel(outputs(made, samples, "precise"), says) > 40


def test_the_same_model_gives_the_same_file() -> None:
    model, ranges, _ = topology("reference")
    how = load_recipe("x86_cpu")
    first, second = (to_int8(model, ranges, how).model for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def test_layers_left_float_are_as_they_were() -> None:
    model, ranges, samples = topology("inswapper")
    layers = quantizable(model, recipe())
    asked = layers[:1] + layers[-2:]
    made = to_int8(model, ranges, recipe(), float_layers=asked)
    assert made.left_float == asked
    assert made.quantized == layers[1:-2]
    old, new = _nodes(model), _nodes(made.model)
    for name in asked:
        assert new[name].input[1:] == old[name].input[1:]
        assert not is_rounded(made.model, new[name].input[0])
    whole = to_int8(model, ranges, recipe()).model
    right = outputs(model, samples)
    assert decibel(outputs(made.model, samples), right) > decibel(outputs(whole, samples), right)


def test_with_every_layer_float_nothing_changes() -> None:
    model, ranges, samples = topology("hyperswap")
    made = to_int8(model, ranges, recipe(), float_layers=quantizable(model, recipe()))
    assert made.quantized == ()
    assert not any("Linear" in node.op_type for node in made.model.graph.node)
    assert decibel(outputs(made.model, samples), outputs(model, samples)) > 100


def test_activations_have_the_types_and_zero_points_of_the_recipe() -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    kinds = {"u8": np.uint8, "s8": np.int8}
    for name in ("x86_cpu", "raspberry_pi", "jetson"):
        how = recipe(name)
        made = to_int8(model, calibrated(model), how).model
        values = stored(made)
        rounders = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
        assert rounders
        points = [values[node.input[2]] for node in rounders]
        assert all(point.dtype == kinds[how.activations] for point in points)
        if how.activation_symmetric:
            assert not any(point.any() for point in points)
        else:
            assert any(point.any() for point in points)


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_get_one_scale_or_one_per_channel(per_channel: bool) -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    made = to_int8(model, calibrated(model), recipe(per_channel=per_channel)).model
    makers = {name: node for node in made.graph.node for name in node.output}
    values = stored(made)
    for node in made.graph.node:
        if node.op_type == "Conv":
            assert values[makers[node.input[1]].input[1]].shape == ((8,) if per_channel else ())


def test_biases_are_32_bits_without_zero_points_or_float() -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    ranges = calibrated(model)
    made = to_int8(model, ranges, recipe()).model
    makers = {name: node for node in made.graph.node for name in node.output}
    values = stored(made)
    for node in made.graph.node:
        if node.op_type == "Conv":
            bias = makers[node.input[2]]
            assert values[bias.input[0]].dtype == np.int32
            assert len(bias.input) == 2
    old = _nodes(model)["n0"]
    floats = to_int8(model, ranges, recipe("jetson")).model
    assert _nodes(floats)["n0"].input[2] == old.input[2]
    np.testing.assert_array_equal(stored(floats)[old.input[2]], stored(model)[old.input[2]])


def test_layers_may_give_unrounded_results() -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    made = to_int8(model, calibrated(model), recipe(quantize_outputs=False)).model
    rounded = [node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"]
    assert sorted(rounded) == ["v1", "x"]


def test_float_nodes_read_what_float_nodes_made() -> None:
    s = Sketch()
    y = s.op("LeakyRelu", s.conv(s.input("x", 1, 8, 8, 8), 8, 8), alpha=0.1)
    s.op("Add", s.conv(y, 8, 8), y, output="y")  # a residual beside a layer
    model = s.model("y")
    made = _nodes(to_int8(model, calibrated(model), recipe()).model)
    assert made["Add_y"].input[1] == y
    assert made["Conv_v2"].input[0] != y


def test_gemm_weights_in_8_bits_are_computed_with_in_float() -> None:
    model, ranges, samples = topology("inswapper")
    floats = quantizable(model, recipe())
    small = to_int8(model, ranges, recipe(gemm_weights="w8"), float_layers=floats)
    assert small.quantized == ()
    makers = {name: node.op_type for node in small.model.graph.node for name in node.output}
    gemms = [node for node in small.model.graph.node if node.op_type == "Gemm"]
    assert gemms
    assert all(makers[node.input[1]] == "DequantizeLinear" for node in gemms)
    assert not any(makers.get(node.input[0]) == "DequantizeLinear" for node in gemms)
    assert decibel(outputs(small.model, samples), outputs(model, samples)) > 40
    sizes = [len(each.SerializeToString()) for each in (model, small.model)]
    assert sizes[0] - sizes[1] > 100_000


@pytest.mark.parametrize("group", [1, 2])
def test_transposed_convolutions_are_stored_small_and_computed_in_float(group: int) -> None:
    s = Sketch()
    x = s.conv(s.input("x", 1, 16, 6, 6), 16, 16)
    weight = s.noise(16, 16 // group, 4, 4, scale=0.1)
    up: dict[str, Any] = {"strides": [2, 2], "pads": [1] * 4, "group": group}
    y = s.op("LeakyRelu", s.op("ConvTranspose", x, weight, s.noise(16), **up), alpha=0.1)
    s.op("Tanh", s.conv(y, 16, 3), output="y")
    model = s.model("y")
    made = to_int8(model, calibrated(model), recipe(gemm_weights="w8"))
    node = next(n for n in made.model.graph.node if n.op_type == "ConvTranspose")
    maker = next(n for n in made.model.graph.node if node.input[1] in n.output)
    scale = stored(made.model)[maker.input[1]]
    assert scale.shape == ((16,) if group == 1 else ())
    assert node.name not in made.quantized
    assert weight not in stored(made.model)
    got, right = (outputs(each, fed(model)) for each in (made.model, model))
    assert decibel(got, right) > 30


def test_tiny_gemm_weights_stay_as_they_are() -> None:
    s = Sketch()
    x = s.input("x", 1, 8)
    s.op("MatMul", s.op("Gemm", x, s.noise(8, 8), s.noise(8)), s.noise(8, 256), output="y")
    model = s.model("y")
    made = to_int8(model, calibrated(model), recipe(gemm_weights="w8")).model
    assert is_rounded(made, _nodes(made)["MatMul_y"].input[1])
    assert not is_rounded(made, _nodes(made)["Gemm_v0"].input[1])


def _wide(*widths: int) -> onnx.ModelProto:
    """One 3x3 layer after the other; the first and the last are the smallest."""
    s = Sketch()
    x = s.input("x", 1, widths[0], 8, 8)
    for number, (inputs, outputs_) in enumerate(pairwise(widths)):
        x = s.op("LeakyRelu", s.conv(x, inputs, outputs_), alpha=0.1)
        s.nodes[-2].name = f"n{number}"
    s.op("Tanh", x, output="y")
    return s.model("y")


def test_weights_of_layers_left_float_are_stored_in_8_bits() -> None:
    model = _wide(3, 16, 64, 64, 3)
    ranges, how = calibrated(model), recipe(float_weights="w8")
    assert stored_small(Graph(model), recipe()) == ()
    assert stored_small(Graph(model), how) == ("n1", "n2", "n3")  # n0: too little to win
    made = to_int8(model, ranges, how, float_layers=("n0", "n2"))
    assert made.quantized == ("n1", "n3")
    nodes = _nodes(made.model)
    assert not is_rounded(made.model, nodes["n2"].input[0])
    assert is_rounded(made.model, nodes["n2"].input[1])
    assert nodes["n0"].input[1] == _nodes(model)["n0"].input[1]
    # A weight that is only stored has all 8 bits, and its bias is as it was.
    assert nodes["n2"].input[2] == _nodes(model)["n2"].input[2]
    right, samples = outputs(model, fed(model)), fed(model)
    plain = to_int8(model, ranges, recipe(), float_layers=("n0", "n2")).model
    assert decibel(outputs(made.model, samples), outputs(plain, samples)) > 35
    assert decibel(outputs(made.model, samples), right) > 30
    sizes = [len(each.SerializeToString()) for each in (plain, made.model)]
    assert sizes[0] - sizes[1] > 100_000


def test_the_smallest_weights_stay_as_they_are() -> None:
    model = _wide(16, 16, 192, 192, 16)  # 2304 numbers of 389376: less than a hundredth
    assert stored_small(Graph(model), recipe(float_weights="w8")) == ("n1", "n2", "n3")


def test_a_part_of_a_model_is_told_which_weights_are_stored_in_8_bits() -> None:
    model = _wide(3, 16, 64, 64, 3)
    ranges, how = calibrated(model), recipe(float_weights="w8")
    floats = quantizable(model, how)
    made = to_int8(model, ranges, how, float_layers=floats, small=("n1",)).model
    assert [is_rounded(made, _nodes(made)[name].input[1]) for name in floats] == [
        False,
        True,
        False,
        False,
    ]


def test_a_weight_that_is_read_elsewhere_as_it_is_stays_so() -> None:
    s = Sketch()
    w = s.noise(64, 64, 3, 3, scale=0.05)
    x = s.op("Conv", s.input("x", 1, 64, 8, 8), w, pads=[1] * 4)
    x = s.op("LeakyRelu", x, alpha=0.1)
    x = s.op("Conv", x, w, pads=[1] * 4)
    s.op("Add", x, s.op("ReduceSum", w), output="y")
    model = s.model("y")
    how = recipe(float_weights="w8")
    made = to_int8(model, calibrated(model), how, float_layers=quantizable(model, how)).model
    assert made.graph.node == model.graph.node


def test_gemm_and_matmul_as_layers() -> None:
    s = Sketch()
    x = s.op("Gemm", s.input("x", 1, 32), s.noise(64, 32), s.noise(64), transB=1)
    s.op("MatMul", s.op("Relu", x), s.noise(64, 32), output="y")
    model = s.model("y")
    made = to_int8(model, calibrated(model), recipe(operators=("Gemm", "MatMul")))
    assert made.quantized == ("Gemm_v0", "MatMul_y")
    samples = fed(model)
    assert decibel(outputs(made.model, samples), outputs(model, samples)) > 30


def test_a_weight_that_two_layers_share_is_stored_once() -> None:
    s = Sketch()
    w, b = s.noise(8, 8, 3, 3, scale=0.1), s.noise(8)
    x = s.input("x", 1, 8, 8, 8)
    for _ in range(3):
        x = s.op("LeakyRelu", s.op("Conv", x, w, b, pads=[1] * 4), alpha=0.1)
    s.op("Tanh", x, output="y")
    model = s.model("y")
    ranges, samples = calibrated(model), fed(model)
    for floats in ((), ("Conv_v2",)):
        made = to_int8(model, ranges, recipe(), float_layers=floats).model
        integers = [v for v in stored(made).values() if v.dtype == np.int8 and v.ndim == 4]
        assert len(integers) == 1
        assert decibel(outputs(made, samples), outputs(model, samples)) > 30
    floats_read = _nodes(to_int8(model, ranges, recipe(), float_layers=("Conv_v2",)).model)
    assert floats_read["Conv_v2"].input[1] == w


def test_zero_weights_constant_values_and_scalars_do_no_harm() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    x = s.op("Conv", x, s.keep(np.zeros((4, 4, 1, 1))), s.keep(np.zeros(4)))
    x = s.op("Mul", s.op("Relu", x), s.keep(0.5))  # 0-d; and zeros alone flow here
    x = s.op("Add", s.conv(x, 4, 4), s.keep([[[1.0]]]))
    s.op("Tanh", s.op("Conv", x, s.noise(1, 4, 1, 1)), output="y")  # one channel, no bias
    model = s.model("y")
    how = recipe(islands=("Add", "Mul", "Relu"))
    made = to_int8(model, calibrated(model), how)
    assert len(made.quantized) == 3
    for kernels in ("default", "reference"):
        got, right = outputs(made.model, fed(model), kernels), outputs(model, fed(model))
        np.testing.assert_allclose(got[0]["y"], right[0]["y"], atol=0.02)


def test_layers_at_the_ends_of_the_model() -> None:
    s = Sketch()
    s.conv(s.input("x", 1, 4, 8, 8), 4, 4)
    s.nodes[-1].output[0] = "first"
    s.op("Relu", s.conv("first", 4, 4), output="second")
    model = s.model("first", "second")
    made = to_int8(model, calibrated(model), recipe()).model
    assert [value.name for value in made.graph.output] == ["first", "second"]
    got, right = outputs(made, fed(model)), outputs(model, fed(model))
    assert decibel(got, right) > 30


def test_what_was_never_used_is_kept() -> None:
    model = chain("Conv")
    emap = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "emap")
    model.graph.initializer.append(emap)
    made = to_int8(model, calibrated(model), recipe()).model
    assert "emap" in stored(made)
    assert not {"k0", "k1"} & set(stored(made))  # the float weight and bias


def test_an_older_opset_is_raised() -> None:
    s = Sketch(opset=11)
    s.op("Tanh", s.op("LeakyRelu", s.conv(s.input("x", 1, 4, 8, 8), 4, 4)), output="y")
    model = s.model("y")
    model.ir_version = 6
    made = to_int8(model, calibrated(model), recipe()).model
    assert opset_of(made) == 13
    assert made.ir_version >= 7
    assert opset_of(model) == 11
    assert decibel(outputs(made, fed(model)), outputs(model, fed(model))) > 30


@pytest.mark.parametrize("opset", [13, 18, 20, 21, 22])
def test_newer_opsets(opset: int) -> None:
    s = Sketch(opset=opset)
    y = s.op("LeakyRelu", s.conv(s.input("x", 1, 4, 8, 8), 4, 4), alpha=0.1)
    s.op("Tanh", s.op("Relu", s.conv(y, 4, 4)), output="y")
    model = s.model("y")
    for how in (recipe(), recipe("raspberry_pi"), recipe("jetson")):
        made = to_int8(model, calibrated(model), how).model
        assert opset_of(made) == opset
        check_model(made)
        # What the file says: on processors without VNNI kernels saturate, whatever the opset.
        says = outputs(made, fed(model), "reference")
        assert decibel(says, outputs(model, fed(model))) > 30


@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_along_other_numbers_of_axes(axes: int) -> None:
    s = Sketch()
    x = s.input("x", 1, 6, *[8] * axes)
    weight = s.noise(5, 6, *[3] * axes, scale=0.2)
    s.op("Tanh", s.op("Conv", x, weight, s.noise(5), pads=[1] * 2 * axes), output="y")
    model = s.model("y")
    made = to_int8(model, calibrated(model), recipe())
    assert len(made.quantized) == 1
    assert decibel(outputs(made.model, fed(model)), outputs(model, fed(model))) > 30


def test_names_that_are_taken_are_not_used_again() -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    for node in model.graph.node:
        if node.name == "n1":
            node.name, node.output[0] = "k0_dq", "k0_i8"
        for index, name in enumerate(node.input):
            node.input[index] = "k0_i8" if name == "v1" else name
    made = to_int8(model, calibrated(model), recipe()).model
    names = [node.name for node in made.graph.node]
    assert len(set(names)) == len(names)
    check_model(made)
    assert decibel(outputs(made, fed(model)), outputs(model, fed(model))) > 30


def test_metadata_and_producer_stay_and_no_marks_are_left() -> None:
    model = chain("Conv")
    model.producer_name = "somebody"
    model.metadata_props.add(key="licence", value="Apache-2.0")
    made = to_int8(model, calibrated(model), recipe()).model
    assert made.producer_name == "somebody"
    assert [(p.key, p.value) for p in made.metadata_props] == [("licence", "Apache-2.0")]
    assert not made.graph.value_info


def test_a_model_without_layers_stays_as_it_is() -> None:
    s = Sketch()
    s.op("Tanh", s.input("x", 1, 4), output="y")
    model = s.model("y")
    made = to_int8(model, calibrated(model), recipe())
    assert made.quantized == ()
    assert [node.op_type for node in made.model.graph.node] == ["Tanh"]


def test_what_cannot_be_quantized_is_said() -> None:
    model = chain("Conv")
    with pytest.raises(CalibrationError, match="nothing was measured"):
        to_int8(model, Ranges({}, {}), recipe())
    with pytest.raises(GraphError, match="no node 'other'"):
        to_int8(model, calibrated(model), recipe(), float_layers=["other"])


def _size(recipe_: Recipe, name: str) -> float:
    model = TOPOLOGIES[name]()
    if name == "inswapper":
        del model.graph.initializer[-1]
    name_nodes(model)
    ranges = calibrate(model, drawn_samples(contract_of(model), 1, 0), cache=None)
    small = to_int8(model, ranges, recipe_).model
    return len(small.SerializeToString()) / len(model.SerializeToString())


def test_short_names_and_merged_constants_keep_small_models_small() -> None:
    # Nearly all of this small copy is weights of Conv and Gemm; a quarter of it is the limit.
    assert _size(load_recipe("x86_cpu_small"), "inswapper") < 0.31
