from __future__ import annotations

from dataclasses import replace
from functools import cache

import onnx
import pytest

from quantize.calibrate import Ranges, calibrate
from quantize.contract import ModelContract, contract_of
from quantize.errors import SamplesError
from quantize.int8 import quantizable, to_int8
from quantize.metrics import MASK_ALLOWANCE
from quantize.modelfile import name_nodes
from quantize.passes import STANDARD, run_passes
from quantize.quality import evaluate
from quantize.recipes import Recipe, load_recipe
from quantize.samples import Samples, drawn_samples
from quantize.sensitivity import layer_costs, rank_layers
from tests.quantize.graphs import TOPOLOGIES, Sketch


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    name_nodes(model)
    return model


@cache
def case(topology: str) -> tuple[onnx.ModelProto, ModelContract, Ranges, Samples]:
    model = TOPOLOGIES[topology]()
    if topology == "inswapper":
        del model.graph.initializer[-1]  # the emap, which preparation lifts out
    model = prepared(run_passes(model, STANDARD).model)
    contract = contract_of(model)
    ranges = calibrate(model, drawn_samples(contract, 3, 0), cache=None)
    return model, contract, ranges, drawn_samples(contract, 2, 1)


def recipe(**changes: object) -> Recipe:
    plain = {"float_layers": (), "gemm_weights": "float", "float_weights": "float"}
    changes = plain | changes
    return replace(load_recipe("x86_cpu"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topology", "floats"),
    [("inswapper", ()), ("hyperswap", ()), ("reference", ()), ("reference", ("@first", "@last"))],
)
def test_a_layers_figure_is_that_of_a_model_in_which_it_alone_is_quantized(
    topology: str, floats: tuple[str, ...]
) -> None:
    model, contract, ranges, samples = case(topology)
    how = recipe(float_layers=floats)
    kept = model.SerializeToString(deterministic=True)

    layers = rank_layers(model, ranges, how, samples, contract)

    assert model.SerializeToString(deterministic=True) == kept
    assert sorted(layer.name for layer in layers) == sorted(quantizable(model, how))
    assert [layer.psnr for layer in layers] == sorted(layer.psnr for layer in layers)
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        others = [other.name for other in layers if other is not layer]
        alone = to_int8(model, ranges, how, float_layers=others)
        assert alone.quantized == (layer.name,)
        scores = evaluate(alone.model, model, samples, contract)
        assert layer.psnr == min(layer.psnrs)
        assert layer.psnr == pytest.approx(min(scores.joint), abs=0.5)


@pytest.mark.parametrize("operators", [("Conv",), ("Conv", "Gemm")])
def test_what_a_recipe_leaves_out_is_not_ranked(operators: tuple[str, ...]) -> None:
    model, contract, ranges, samples = case("reference")
    how = recipe(operators=operators, float_layers=("@last",))
    layers = rank_layers(model, ranges, how, samples, contract)
    assert {layer.operator for layer in layers} == set(operators)
    assert sorted(layer.name for layer in layers) == sorted(quantizable(model, how))
    assert len(layers) < len(quantizable(model, recipe(operators=operators)))


def test_without_samples_nothing_is_ranked() -> None:
    model, contract, ranges, samples = case("reference")
    none = replace(samples, feeds=())
    with pytest.raises(SamplesError, match="at least one"):
        rank_layers(model, ranges, recipe(), none, contract)


def test_progress_is_told_to_the_end() -> None:
    model, contract, ranges, samples = case("reference")
    told: list[tuple[str, int, int]] = []
    layers = rank_layers(
        model, ranges, recipe(), samples, contract, progress=lambda *step: told.append(step)
    )
    assert told[-1] == ("ranking layers", 2 * len(layers), 2 * len(layers))
    assert ("quantizing each layer", len(layers), len(layers)) in told


def test_costs_are_bytes_and_multiply_adds() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    x = s.conv(x, 4, 6)
    x = s.conv(x, 6, 6, group=6)
    x = s.op("ConvTranspose", x, s.noise(6, 5, 2, 2), strides=[2, 2])
    x = s.op("Flatten", s.op("GlobalAveragePool", x))
    x = s.op("Gemm", x, s.noise(7, 5), s.noise(7), transB=1)
    x = s.op("Gemm", x, s.noise(7, 3))
    s.op("MatMul", x, s.noise(3, 2), output="y")
    model = prepared(s.model("y"))
    kinds = ("Conv", "ConvTranspose", "Gemm", "MatMul")
    names = [node.name for node in model.graph.node if node.op_type in kinds]

    costs = layer_costs(model, names)

    assert [costs[name] for name in names] == [
        ("Conv", 4 * 6 * 4 * 9, 64 * 6 * 4 * 9),
        ("Conv", 4 * 6 * 9, 64 * 6 * 9),
        ("ConvTranspose", 4 * 6 * 5 * 4, 64 * 6 * 5 * 4),
        ("Gemm", 4 * 35, 35),
        ("Gemm", 4 * 21, 21),
        ("MatMul", 4 * 6, 6),
    ]


def masked() -> tuple[onnx.ModelProto, ModelContract, Ranges, Samples]:
    """A model whose mask 8 bits destroy: a channel that nothing reads is far above the others."""
    s = Sketch(seed=3)
    x = s.op("Relu", s.conv(s.input("target", 1, 3, 32, 32), 3, 8))
    wide = s.rng.standard_normal((8, 8, 3, 3)) / 6
    wide[0] *= 3000
    y = s.op("HardSwish", s.op("Conv", x, s.keep(wide), pads=[1] * 4))
    last = s.rng.standard_normal((1, 8, 3, 3)) * 2
    last[:, 0] = 0
    s.op("Sigmoid", s.op("Conv", y, s.keep(last), pads=[1] * 4), output="mask")
    s.op("Sigmoid", s.conv(s.op("Relu", s.conv(x, 8, 8)), 8, 3), output="output")
    model = prepared(s.model("output", "mask"))
    contract = contract_of(model)
    ranges = calibrate(model, drawn_samples(contract, 3, 0), cache=None)
    return model, contract, ranges, drawn_samples(contract, 2, 1)


def test_a_layer_of_the_mask_alone_costs_what_the_mask_loses() -> None:
    model, contract, ranges, samples = masked()
    assert contract.mask == "mask"
    worst, *others = rank_layers(model, ranges, recipe(), samples, contract)
    alone = to_int8(model, ranges, recipe(), float_layers=[layer.name for layer in others])
    scores = evaluate(alone.model, model, samples, contract)
    assert scores.psnr_worst == 99  # the picture has no part in it
    assert scores.mask_worst is not None
    assert worst.psnr == pytest.approx(scores.mask_worst + MASK_ALLOWANCE, abs=0.5)
    assert worst.psnr < 35
