"""From the prepared float model to a precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import resources
from quantize import search as search_module
from quantize.budget import parse_budget
from quantize.contract import contract_of
from quantize.errors import BudgetError, SamplesError, TargetError
from quantize.making import Made, Material, make, search_samples
from quantize.modelfile import load_model
from quantize.prepare import prepare
from quantize.quality import evaluate
from quantize.samples import calibration_samples, drawn_samples, held_out_samples
from quantize.saturation import can_saturate
from quantize.settings import Settings, silent
from quantize.targets import load_target
from tests import tiny
from tests.quantize.cards import card_of, save
from tests.quantize.graphs import count, reference_like


@pytest.fixture
def material(tmp_path: Path) -> Material:
    file = load_model(save(reference_like(), tmp_path / "m.onnx"))
    profile = load_target("x86_cpu")
    prepared = prepare(file, profile, precision="int8")  # what most of these tests make of it
    return Material(prepared, profile, None)


def asked(**values: Any) -> Settings:
    return Settings(model=Path("m.onnx"), output=Path("out"), count=3, **values)


def worst(made: Made, material: Material) -> float:
    contract, model = material.prepared.contract, material.prepared.model
    return evaluate(made.model, model, drawn_samples(contract, 3, 5), contract).psnr_worst


def test_fp32_is_the_prepared_model(material: Material) -> None:
    assert make(asked(precision="fp32"), material, silent).model is material.prepared.model


@pytest.mark.parametrize(("precision", "least"), [("fp16", 60), ("w8", 40), ("int8", 25)])
def test_every_precision_stays_near_the_float_model(
    precision: Any, least: float, material: Material
) -> None:
    before = material.prepared.model.SerializeToString(deterministic=True)
    stages: list[str] = []
    made = make(asked(precision=precision), material, lambda stage, *_: stages.append(stage))
    assert worst(made, material) > least
    assert len(made.model.SerializeToString()) < 0.8 * len(before)
    assert material.prepared.model.SerializeToString(deterministic=True) == before
    assert ("calibrating" in stages) == (precision != "w8")
    assert bool(made.calibrated_on) == (precision != "w8")


def test_int8_says_how_it_was_made(material: Material) -> None:
    made = make(asked(precision="int8"), material, silent)
    assert made.recipe is not None
    assert made.recipe.name == "x86_cpu"
    assert made.quantized
    assert made.found is None
    assert made.layers == ()
    assert count(made.model, "QuantizeLinear") > 0
    small = make(asked(precision="int8", recipe="x86_cpu_small"), material, silent)
    assert small.recipe is not None
    assert small.recipe.name == "x86_cpu_small"


def test_weights_can_be_told_to_take_seven_bits(material: Material) -> None:
    settings = asked(precision="int8", target="raspberry_pi", recipe="raspberry_pi")
    for reduced in (False, True):
        made = make(settings, replace(material, reduce_range=reduced), silent)
        assert made.recipe is not None
        assert made.recipe.reduce_range is reduced
        assert can_saturate(made.model) is not reduced


@pytest.mark.parametrize(("recipe", "said"), [("x86_vnni", True), ("x86_cpu", False)])
def test_weights_that_take_fewer_steps_than_their_recipe_says_are_said(
    recipe: str, said: bool, material: Material
) -> None:
    settings = asked(precision="int8", recipe=recipe)
    made = make(settings, replace(material, reduce_range=True), silent)
    assert any("fewer steps than the recipe says" in note for note in made.notes) == said
    assert not any("fewer steps" in note for note in make(settings, material, silent).notes)


def test_half_precision_tflite_computes_in_single(material: Material) -> None:
    made = make(asked(precision="fp16", form="tflite"), material, silent)
    assert made.model is material.prepared.model


@pytest.mark.parametrize(("form", "stored"), [("onnx", "w8"), ("tflite", "w8"), ("ort", "float")])
def test_only_formats_that_stay_small_store_weights_of_float_layers_small(
    form: Any, stored: str, material: Material
) -> None:
    made = make(asked(precision="int8", form=form), material, silent)
    assert made.recipe is not None
    assert made.recipe.float_weights == stored


def test_a_budget_is_searched_for(material: Material) -> None:
    free = worst(make(asked(precision="int8"), material, silent), material)
    budget = parse_budget(f"psnr:{free + 4:.1f}")
    made = make(asked(precision="int8"), replace(material, budget=budget), silent)
    assert worst(made, material) > free
    assert made.float_layers
    assert made.layers
    assert made.found is not None
    assert made.found.met
    assert budget.met(made.found.scores)


@pytest.mark.parametrize("cured", [True, False])
def test_weights_stay_float_where_8_bits_of_them_miss_the_budget(
    cured: bool, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is told that weights in 8 bits miss it, and tries float ones."""
    real, tried = search_module.search, []

    def searched(*arguments: Any, **more: Any) -> search_module.Found:
        recipe = arguments[2]
        tried.append((recipe.gemm_weights, recipe.float_weights))
        found = real(*arguments, **more)
        return replace(found, met=cured and recipe.gemm_weights == "float")

    monkeypatch.setattr(search_module, "search", searched)
    wanted = replace(material, budget=parse_budget("psnr:5"))
    if cured:
        made = make(asked(precision="int8"), wanted, silent)
        assert made.recipe is not None
        assert made.recipe.gemm_weights == "float"
        assert any("stay float" in note for note in made.notes)
    else:
        with pytest.raises(BudgetError, match="cannot be met: the nearest is psnr"):
            make(asked(precision="int8"), wanted, silent)
    assert tried == [("w8", "w8"), ("float", "float")]


@pytest.mark.parametrize(("count", "most", "shared"), [(3, 12, 0), (60, 4, 0), (64, 12, 12)])
def test_a_search_sees_other_faces_than_calibration_and_judgement(
    count: int, most: int, shared: int, tmp_path: Path, edge_home: Path
) -> None:
    tiny.install_one(edge_home, "tiny_embedder", "recogniser", tiny.RECOGNISER, tiny.embedder())
    model = reference_like()
    contract = contract_of(model, card_of(save(model, tmp_path / "m.onnx")))
    seen = {
        name: {feeds["target"].tobytes() for feeds in samples.feeds}
        for name, samples in {
            "calibrated": calibration_samples(contract, count=count),
            "searched": search_samples(replace(asked(), count=count), contract),
            "judged": held_out_samples(contract, count=24),
        }.items()
    }
    assert len(seen["searched"]) == most
    assert len(seen["searched"] & seen["calibrated"]) == shared
    assert not seen["searched"] & seen["judged"]


def test_with_a_folder_a_search_takes_shipped_faces(tmp_path: Path) -> None:
    contract = contract_of(reference_like())
    found = search_samples(asked(calibration=tmp_path), contract)
    assert len(found) == 12


def test_a_budget_that_cannot_be_met_says_how_near_it_came(material: Material) -> None:
    impossible = replace(material, budget=parse_budget("psnr:98"))
    with pytest.raises(BudgetError, match=r"psnr:98 cannot be met: the nearest is psnr .*float"):
        make(asked(precision="int8"), impossible, silent)


def test_an_empty_folder_is_refused(material: Material, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(SamplesError, match="empty"):
        make(asked(precision="int8", calibration=folder), material, silent)


def test_a_target_without_a_recipe(material: Material) -> None:
    bare = replace(material, profile=replace(material.profile, recipes={}))
    with pytest.raises(TargetError, match="no recipe for int8"):
        make(asked(precision="int8"), bare, silent)


def test_ranges_of_a_person_are_not_kept(material: Material) -> None:
    baked = replace(material, prepared=replace(material.prepared, baked=object()))  # type: ignore[arg-type]
    make(asked(precision="fp16"), baked, silent)
    assert not (resources.cache_dir() / "calibration").exists()
    taken = replace(material.prepared.contract, source=None)  # somebody may be in its weights
    unsaid = replace(material, prepared=replace(material.prepared, contract=taken))
    make(asked(precision="fp16"), unsaid, silent)
    assert not (resources.cache_dir() / "calibration").exists()
    make(asked(precision="fp16"), material, silent)
    assert (resources.cache_dir() / "calibration").exists()


def test_half_precision_is_stored_where_the_target_says_so(material: Material) -> None:
    phone = replace(material, profile=load_target("android_nnapi"))
    stages: list[str] = []
    made = make(asked(precision="fp16"), phone, lambda stage, *_: stages.append(stage))
    assert stages == []  # nothing can overflow, so nothing is calibrated
    assert count(made.model, "Cast") > 0
    assert worst(made, phone) > 60


def test_a_quantized_model_gets_its_last_rewrites(material: Material) -> None:
    phone = replace(material, profile=load_target("android_nnapi"))
    settings = asked(precision="int8", target="android_nnapi")
    made = make(settings, phone, silent)
    assert count(made.model, "LeakyRelu") == 0
    assert count(made.model, "Max") > 0
    assert count(make(settings, material, silent).model, "LeakyRelu") > 0
