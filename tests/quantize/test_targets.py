"""Target profiles: those that are shipped, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from edge.backends import backend_names
from quantize.errors import TargetError
from quantize.prepare import target_passes
from quantize.recipes import load_recipe, recipe_names
from quantize.settings import PRECISIONS
from quantize.targets import FORMATS, Format, load_target, read_profile, target_names

GOOD = """title = "a"
architecture = "x86_64"
kernels = "default"
ort_style = "fixed"
[passes]
onnx = []
ort = []
tflite = ["convtranspose"]
[recipes]
int8 = "x86_cpu"
[[backends]]
name = "one"
engine = "ort"
format = "onnx"
oldest = "1.22"
"""
TWICE = GOOD[GOOD.index("[[backends]]") :]


def test_the_targets_that_are_shipped() -> None:
    shipped = {"android_nnapi", "generic_arm64", "jetson", "raspberry_pi", "x86_cpu"}
    assert shipped <= set(target_names())
    assert list(target_names()) == sorted(target_names())


@pytest.mark.parametrize("name", target_names())
@pytest.mark.parametrize("form", FORMATS)
def test_a_shipped_profile_names_what_there_is(name: str, form: Format) -> None:
    profile = load_target(name)
    assert profile.name == name
    assert profile.title
    for precision in PRECISIONS:
        names = profile.rewrites(form, precision)
        assert tuple(one.name for one in target_passes(profile, form, precision)) == names
    assert profile.passes == profile.format_passes["onnx"]
    recipe = load_recipe(profile.recipe("int8", form))
    assert recipe.precision == "int8"
    if form == "tflite":
        assert recipe.activations == "s8"
    assert f"{profile.recipes['int8']}_small" in recipe_names()


@pytest.mark.parametrize("name", target_names())
def test_every_target_says_how_a_bundle_is_run(name: str) -> None:
    profile = load_target(name)
    assert profile.backends
    assert profile.formats == tuple(dict.fromkeys(each.form for each in profile.backends))
    assert {each.engine for each in profile.backends} <= set(backend_names())
    if profile.architecture == "aarch64":  # every Pi and phone has it; no accelerator asks for it
        assert any("asimd" in each.cpu for each in profile.backends)


def test_quality_is_measured_with_the_kernels_of_the_target() -> None:
    assert load_target("x86_cpu").kernels == "default"
    arm = [load_target(name) for name in target_names() if name != "x86_cpu"]
    assert {profile.kernels for profile in arm} == {"precise"}
    assert {profile.architecture for profile in arm} == {"aarch64"}


def test_an_unknown_target_names_those_that_there_are() -> None:
    with pytest.raises(
        TargetError, match=r"no target 'toaster'; known: android_nnapi, generic_arm64"
    ):
        load_target("toaster")
    with pytest.raises(TargetError, match="no target"):
        load_target("../models")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine" / "profile.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


def test_a_profile_is_read(tmp_path: Path) -> None:
    profile = read_profile(written(tmp_path, GOOD))
    assert (profile.name, profile.ort_style) == ("mine", "fixed")
    assert profile.format_passes["tflite"] == ("convtranspose",)
    assert profile.recipe("int8", "onnx") == "x86_cpu"
    with pytest.raises(TargetError, match="target mine has no recipe for int4"):
        profile.recipe("int4", "onnx")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "a"', "", "'title' is missing"),
        ('"x86_64"', '"z80"', "'architecture' must be one of x86_64, aarch64"),
        ('"default"', '"quick"', "'kernels' must be one of"),
        ('"fixed"', '"loose"', "'ort_style' must be one of"),
        ("onnx = []", "onnx = 3", "'onnx' must be a list of names"),
        ("ort = []", "ort = [3]", "'ort' must be a list of names"),
        ("ort = []", "", "'ort' must be a list"),
        ("[recipes]", "gguf = []\n[recipes]", "unknown key 'gguf'"),
        ("[recipes]", "onnx_int4 = []\n[recipes]", "unknown key 'onnx_int4'"),
        ("[recipes]", "onnx_fp16 = 1\n[recipes]", "'onnx_fp16' must be a list"),
        ('int8 = "x86_cpu"', "", "'int8' is missing"),
        ('int8 = "x86_cpu"', "int8 = 8", "'int8' must be text"),
        ("[passes]", "extra = 1\n[passes]", "unknown key 'extra'"),
        ("[[backends]]", "[backends]", "'backends' must be a list"),
        (GOOD[GOOD.index("[[backends]]") :], "", "'backends' is missing"),
        ('name = "one"', 'name = "One two"', "'name' must be a short word"),
        ("[[backends]]", f"{TWICE}[[backends]]", r"\[backends 2\] 'name' must be a short word"),
        ('engine = "ort"', 'engine = "tvm"', "'engine' must be one of ort, litert, tflite"),
        ('engine = "ort"', 'engine = "litert"', "litert takes tflite"),
        ('"1.22"', '"new"', "'oldest' must be a version"),
        ('"1.22"', '"1.22"\nproviders = []', "ort takes onnx or ort"),
        ('"1.22"', '"1.22"\nspeed = 9', "unknown key 'speed'"),
        (GOOD, "passes = [", "not valid TOML"),
        (GOOD, "#" * 70000, "larger than"),
    ],
)
def test_a_malformed_profile(old: str, new: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        read_profile(written(tmp_path, GOOD.replace(old, new)))
    assert "target mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_pass_is_named(tmp_path: Path) -> None:
    profile = read_profile(written(tmp_path, GOOD.replace("convtranspose", "magic")))
    with pytest.raises(TargetError, match="asks for the pass 'magic', which does not exist"):
        target_passes(profile, "tflite")
    assert target_passes(profile, "onnx") == ()


def test_a_precision_may_want_other_rewrites(tmp_path: Path) -> None:
    text = GOOD.replace("[recipes]", "onnx_fp16 = ['edge_pad']\n[recipes]")
    profile = read_profile(written(tmp_path, text))
    assert profile.rewrites("onnx", "fp16") == ("edge_pad",)
    assert profile.rewrites("onnx", "int8") == ()
    assert profile.rewrites("tflite", "fp16") == ("convtranspose",)
    assert [one.name for one in target_passes(profile, "onnx", "fp16")] == ["edge_pad"]
    # On a processor, half precision is for its size, and the rewrite of PReLU takes some.
    assert load_target("x86_cpu").rewrites("onnx", "fp16") == ()
    assert load_target("x86_cpu").rewrites("onnx", "int8") == ("prelu_exact",)


def test_a_quantized_model_may_get_more_in_one_format(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    more = 'after_int8 = ["weights_at_load"]\nafter_int8_onnx = ["winograd"]\n[recipes]'
    path.write_text(GOOD.replace("[recipes]", more))
    profile = read_profile(path)
    assert profile.finishes("onnx", "int8") == ("weights_at_load", "winograd")
    assert profile.finishes("ort", "int8") == ("weights_at_load",)
    assert profile.finishes("onnx", "fp32") == profile.finishes("tflite", "int8") == ()


def test_what_a_target_checks(tmp_path: Path) -> None:
    jetson, phone = load_target("jetson"), load_target("android_nnapi")
    assert jetson.checkers("onnx") == ("tensorrt",)
    assert [release.name for release in jetson.releases] == ["JetPack 6", "JetPack 7"]
    assert phone.checkers("tflite") == ("xnnpack",)
    assert "deprecated since Android 15" in phone.notice
    assert (jetson.half, phone.half) == ("computed", "stored")
    plain = read_profile(written(tmp_path, GOOD))
    assert (plain.checks, plain.releases, plain.notice) == ({}, (), "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[checks]\nonnx = ['magic']", "'onnx' must be among nnapi, tensorrt, xnnpack"),
        ("[checks]\ngguf = []", "unknown key 'gguf'"),
        ("[[releases]]\nname = 'a'\nopset = [9]\nir_version = 10", "the oldest and the newest"),
        ("[[releases]]\nname = 'a'\nopset = [9, 20]", "'ir_version' is missing"),
        ("[[releases]]\nname = 'a'\nopset = [20, 9]\nir_version = 10", "the oldest and"),
    ],
)
def test_malformed_checks(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=words):
        read_profile(written(tmp_path, f"{GOOD}\n{text}\n"))


def test_every_format_has_a_name() -> None:
    assert get_args(Format) == FORMATS
