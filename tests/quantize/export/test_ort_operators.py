"""The list of operators, and what its making must not leave behind."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from quantize.export.ort_format import to_ort
from quantize.export.ort_operators import required_operators
from tests.quantize.graphs import Sketch


def _file(folder: Path, kind: str) -> Path:
    s = Sketch()
    s.op(kind, s.input("x", 1, 8), output="output")
    return to_ort(s.model("output"), folder / f"{kind}.ort", style="fixed", target="aarch64").model


def test_operators_of_several_files(tmp_path: Path) -> None:
    files = [_file(tmp_path, kind) for kind in ("Tanh", "Sign", "Sigmoid")]
    lines = required_operators(files, "some.ort").splitlines()
    assert lines[0] == "# Generated from some.ort"
    assert [line.split("{")[0] for line in lines[1:]] == ["ai.onnx;13;Sigmoid"]
    assert [word in lines[1] for word in ("Sigmoid", "Sign", "Tanh")] == [True] * 3


def test_logging_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("onnxruntime.tools")]:
        monkeypatch.delitem(sys.modules, name)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    required_operators([_file(tmp_path, "Tanh")], "some.ort")
    assert root.handlers == []
