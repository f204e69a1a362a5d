from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from quantize import recipes
from quantize.errors import RecipeError
from quantize.recipes import Recipe, load_recipe, recipe_names
from quantize.targets import load_target, target_names

GOOD = """
title = "A recipe"
precision = "int8"
activations = "u8"
weights = "s8"
activation_symmetric = false
per_channel = true
reduce_range = true
method = "mse"
operators = ["Conv"]
islands = ["Resize"]
gemm_weights = "w8"
note = "for a test"
"""


def _written(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_complete(name: str) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, Recipe)
    assert recipe.name == name
    assert recipe.precision == "int8"
    assert "easured" in recipe.note
    # Kernels with unsigned weights take one scale and zero point alone.
    assert not (recipe.per_channel and recipe.weights == "u8")


@pytest.mark.parametrize("name", target_names())
def test_every_target_has_a_balanced_and_a_size_first_recipe(name: str) -> None:
    target = load_target(name)
    balanced = target.recipe("int8", "onnx")
    assert {balanced, f"{balanced}_small"} <= set(recipe_names())


def test_what_the_targets_kernels_take() -> None:
    # U8S8 for x86; signed for ARM and LiteRT; a zero point of 0 and float biases for TensorRT.
    x86, arm, jetson = (load_recipe(n) for n in ("x86_cpu", "raspberry_pi", "jetson"))
    assert (x86.activations, x86.weights, x86.reduce_range) == ("u8", "s8", True)
    assert not load_recipe("x86_vnni").reduce_range
    assert (arm.activations, arm.weights, arm.activation_symmetric) == ("s8", "s8", False)
    assert (jetson.activations, jetson.activation_symmetric) == ("s8", True)
    assert not jetson.quantize_biases
    assert not jetson.quantize_outputs
    assert not load_recipe("android_nnapi_small").per_channel


@pytest.mark.parametrize("name", target_names())
def test_weights_of_float_layers_are_8_bit_only_where_they_are_made_float_at_load(
    name: str,
) -> None:
    target = load_target(name)
    once = "weights_at_load" in target.finishes("onnx", "int8")
    for recipe in (target.recipe("int8", "onnx"), f"{target.recipe('int8', 'onnx')}_small"):
        assert load_recipe(recipe).float_weights == ("w8" if once else "float")
    assert once == (name in ("x86_cpu", "raspberry_pi", "generic_arm64"))


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    recipe = load_recipe(_written(tmp_path, GOOD))
    assert recipe.name == "own"
    assert recipe.islands == ("Resize",)
    assert recipe.float_layers == ()
    assert recipe.float_weights == "float"
    assert recipe.percentile == 99.99
    assert recipe.quantize_outputs
    assert recipe.quantize_biases
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.name = "other"  # type: ignore[misc]


def test_the_name_of_no_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"^no recipe 'x87'; there are: android_nnapi, .*x86_cpu"):
        load_recipe("x87")
    with pytest.raises(RecipeError, match="no recipe"):
        load_recipe("../recipes/x86_cpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"int8"', '"int4"', "'precision' must be one of int8"),
        ('"u8"', '"u7"', "'activations' must be one of u8, s8"),
        ('["Conv"]', "[]", "'operators' must name what is quantized"),
        ('["Conv"]', '["Tanh"]', "'operators' must be among .*Conv.* not 'Tanh'"),
        ('["Resize"]', '["LSTM"]', "'islands' must be among"),
        ('["Resize"]', '"Resize"', "'islands' must be a list"),
        ("per_channel = true", "per_channel = 1", "'per_channel' must be true or false"),
        ("note", 'float_weights = "w4"\nnote', "'float_weights' must be one of float, w8"),
        ('"mse"', '"guess"', "'method' must be one of"),
        ('"mse"', '"mse"\npercentile = 5', "'percentile' must lie between 50 and 100"),
        ('weights = "s8"', 'weights = "u8"', "needs weights"),
        ("reduce_range = true", "", "'reduce_range' is missing"),
        ("title", "color = 1\ntitle", "unknown key 'color'"),
        ("title =", "title", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(_written(tmp_path, GOOD.replace(old, new)))
    assert str(caught.value).startswith("recipe own.toml")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe gone\.toml cannot be read"):
        load_recipe(str(tmp_path / "gone.toml"))
    (tmp_path / "Big Name.toml").write_text(GOOD)
    with pytest.raises(RecipeError, match="lower-case letters"):
        load_recipe(str(tmp_path / "Big Name.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "binary.toml"))
    (tmp_path / "large.toml").write_text("#" * 100_000)
    with pytest.raises(RecipeError, match="too large"):
        load_recipe(str(tmp_path / "large.toml"))


def test_all_is_sorted() -> None:
    assert recipes.__all__ == sorted(recipes.__all__)
