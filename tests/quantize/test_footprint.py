"""A model is tried in a process of its own: whatever it does there, we live."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.errors import BackendError, EngineMissing
from quantize import footprint
from quantize.footprint import measure_footprint, pick_backend
from tests.quantize.measured import shifted

FEEDS = {"target": np.zeros((1, 3, 16, 16), np.float32), "unknown": np.zeros(1, np.float32)}


def test_a_model_that_runs_tells_engine_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(shifted(0.1), path)
    found = measure_footprint(path, FEEDS)
    assert found.trouble == ""
    assert (found.backend, found.provider) == ("ort", "CPUExecutionProvider")
    assert found.engine_version
    assert found.peak is not None
    assert found.added is not None
    assert 0 < found.added < found.peak


def test_memory_is_the_models_own_and_not_ours(tmp_path: Path) -> None:
    ours = np.ones(100 << 20, np.uint8)  # what this process holds must not count
    path = tmp_path / "model.onnx"
    onnx.save(shifted(0.1), path)
    found = measure_footprint(path, FEEDS)
    assert found.added is not None
    assert found.added < ours.nbytes


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("model.onnx", b"no model", "not an ONNX model"),
        ("model.tflite", b"no model", "tflite|litert"),
        ("model.pt", b"", r"no engine runs \.pt"),
        ("model", b"", "no engine runs a file without a suffix"),
    ],
)
def test_a_file_that_does_not_run_is_a_line(
    tmp_path: Path, name: str, data: bytes, text: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    found = measure_footprint(path, FEEDS)
    assert re.search(text, found.trouble)
    assert "\n" not in found.trouble
    assert found.peak is None


def test_a_missing_input_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(shifted(0.1), path)
    assert "target" in measure_footprint(path, {}).trouble


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "takes the engine's process"),
        ("import sys; sys.exit(7)", "ended with status 7"),
        ("print('no JSON')", "ended with status 0"),
        ("import time; time.sleep(60)", "hangs: no result in 0.5 seconds"),
    ],
)
def test_whatever_the_child_does_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, text: str
) -> None:
    monkeypatch.setattr(footprint, "_CHILD", code)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    timeout = 0.5 if "sleep" in code else 60
    assert text in measure_footprint(path, FEEDS, timeout=timeout).trouble


def test_the_first_engine_that_is_there_runs_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"tflite"}

    def enter(name: str) -> None:
        if name not in here:
            raise EngineMissing(f"{name} is not installed")

    monkeypatch.setattr(footprint, "_import_engine", enter)
    assert pick_backend(Path("a.tflite")) == "tflite"
    here.add("litert")
    assert pick_backend(Path("A.TFLITE")) == "litert"
    here.clear()
    with pytest.raises(EngineMissing, match="litert is not installed"):
        pick_backend(Path("a.tflite"))
    with pytest.raises(BackendError, match="no engine"):
        pick_backend(Path("a.txt"))
