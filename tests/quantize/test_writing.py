"""The format that was asked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import onnx
import pytest

from edge.errors import EdgeError
from quantize.making import Made
from quantize.settings import Precision, Settings
from quantize.targets import Format, load_target
from quantize.writing import write_model
from tests.quantize.graphs import Sketch, reference_like


def asked(form: Format, precision: Precision = "fp32") -> Settings:
    return Settings(model=Path("m.onnx"), output=Path("out"), form=form, precision=precision)


def written(folder: Path, form: Format, precision: Precision = "fp32", **more: Any) -> list[str]:
    path = folder / f"m.{form}"
    model = more.get("model") or reference_like()
    write_model(Made(model), path, asked(form, precision), load_target("x86_cpu"))
    return sorted(p.name for p in folder.iterdir() if p.is_file())


def test_onnx(tmp_path: Path) -> None:
    assert written(tmp_path, "onnx") == ["m.onnx"]
    onnx.checker.check_model(str(tmp_path / "m.onnx"))


def test_ort_format_brings_its_operators_and_notes(tmp_path: Path) -> None:
    assert written(tmp_path, "ort") == ["m.ort", "m.required_operators.config"]
    assert (tmp_path / "m.ort").read_bytes()[4:8] == b"ORTM"
    notes = write_model(
        Made(reference_like()), tmp_path / "n.ort", asked("ort"), load_target("android_nnapi")
    )
    assert all(isinstance(note, str) and "\n" not in note for note in notes)


@pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"
)
def test_tflite_with_whole_and_half_weights(tmp_path: Path) -> None:
    s = Sketch()
    s.op("Sigmoid", s.conv(s.input("target", 1, 3, 8, 8), 3, 64), output="output")
    model = s.model("output")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 64
    sizes = []
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    for precision in precisions:
        folder = tmp_path / precision
        folder.mkdir()
        assert written(folder, "tflite", precision, model=model) == ["m.tflite"]
        sizes.append((folder / "m.tflite").stat().st_size)
    assert sizes[0] - sizes[1] > 0.4 * 4 * 64 * 3 * 9


def test_what_tflite_cannot_hold_is_named(tmp_path: Path) -> None:
    s = Sketch()
    s.op("Det", s.input("target", 1, 3, 8, 8), output="output")
    model = s.model("output")
    with pytest.raises(EdgeError, match="Det"):
        written(tmp_path, "tflite", model=model)
    assert not (tmp_path / "m.tflite").exists()
