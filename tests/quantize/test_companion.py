"""The JSON beside a model is untrusted: what it should not hold is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.companion import Companion, _layers, kernels_of, read_companion

DIGEST = "a" * 64


def _write(model: Path, values: Any, *, whole: bool = True) -> None:
    path = model.with_name(f"{model.name}.json") if whole else model.with_suffix(".json")
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("whole", [True, False])
def test_what_it_says_is_read(tmp_path: Path, whole: bool) -> None:
    model = tmp_path / "model.pi.int8.onnx"
    values = {
        "sha256": DIGEST,
        "target": "raspberry_pi",
        "precision": "int8",
        "recipe": {"name": "small"},
        "baked": {"identity": "0"},
        "float_layers": ["b"],
        "layers": [
            {"name": "a", "operator": "Conv", "psnr": 50},
            {"name": "b", "operator": "Gemm", "psnr": 40.5},
        ],
    }
    _write(model, values, whole=whole)
    found = read_companion(model, DIGEST)
    assert (found.target, found.precision, found.recipe) == ("raspberry_pi", "int8", "small")
    assert found.baked
    assert [(each.name, each.psnr, each.left_float) for each in found.layers] == [
        ("a", 50.0, False),
        ("b", 40.5, True),
    ]
    assert found.note == ""


def test_none_is_no_trouble(tmp_path: Path) -> None:
    assert read_companion(tmp_path / "model.onnx", DIGEST) == Companion()


def test_that_of_another_file_is_left_out_and_said(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    _write(model, {"sha256": "b" * 64, "target": "jetson"})
    found = read_companion(model, DIGEST)
    assert found.target == ""
    assert "of another file" in found.note


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000, '"\ud800"'])
def test_what_is_no_record_is_said(tmp_path: Path, text: str) -> None:
    model = tmp_path / "model.onnx"
    model.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = read_companion(model, DIGEST)
    assert "model.json" in found.note
    assert found.layers == ()


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(_values, _values)
def test_layers_of_any_form_do_no_harm(rows: Any, floats: Any) -> None:
    _layers(rows, floats)
    _layers([{"name": "a", "psnr": rows, "operator": floats}], [floats])


@pytest.mark.parametrize("psnr", [float("nan"), float("inf"), 10**400, True, "50", None])
def test_a_layer_without_usable_decibels_is_left_out(psnr: Any) -> None:
    assert _layers([{"name": "a", "psnr": psnr}], None) == ()


@pytest.mark.parametrize(
    ("precision", "kernels"),
    [("int8", "precise"), ("", "precise"), ("fp16", "default"), ("w8", "default")],
)
def test_only_8_bit_models_have_integer_kernels(precision: str, kernels: str) -> None:
    assert kernels_of(Companion(target="jetson", precision=precision)) == (kernels, "")


@pytest.mark.parametrize(
    ("target", "kernels", "said"),
    [
        ("", "default", False),
        ("x86_cpu", "default", False),
        ("raspberry_pi", "precise", False),
        ("toaster", "default", True),
    ],
)
def test_kernels_are_those_of_the_target(target: str, kernels: str, said: bool) -> None:
    found, note = kernels_of(Companion(target=target))
    assert found == kernels
    assert bool(note) == said
