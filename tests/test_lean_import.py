"""`import edge` and every `--help` stay lean: a start that loads no engine is a fast start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import TOOLCHAIN_COMMANDS, command_names

HEAVY = (
    "numpy",
    "cv2",
    "onnxruntime",
    "ai_edge_litert",
    "tflite_runtime",
    "c2pa",
    "av",
    "onnx",
    "rich",
    "cryptography",
    "quantize",
)

REPORT = """
import json, sys
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def _loaded_by(code: str, tmp_path: Path) -> set[str]:
    """Return the heavy packages that a fresh interpreter has loaded after running `code`."""
    child = subprocess.run(
        [sys.executable, "-c", code + REPORT],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "EDGE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(HEAVY) & set(json.loads(child.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["edge", "edge.cli", "edge.errors", "edge.records"])
def test_import(module: str, tmp_path: Path) -> None:
    assert _loaded_by(f"import {module}", tmp_path) == set()


def test_import_sets_the_telemetry_switch_first(tmp_path: Path) -> None:
    code = "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); import edge\n"
    code += "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert _loaded_by(code, tmp_path) == set()


def _help_of(arguments: list[str]) -> str:
    return f"""
import contextlib, io
from edge.cli import main
with contextlib.redirect_stdout(io.StringIO()) as page:
    try:
        status = main({arguments!r})
    except SystemExit as leave:
        status = leave.code
assert status == 0, status
assert "usage: edge" in page.getvalue(), page.getvalue()
"""


def test_help(tmp_path: Path) -> None:
    """The lines of the commands of the toolchain are read from its modules, which are light."""
    assert _loaded_by(_help_of(["--help"]), tmp_path) <= {"quantize"}
    assert _loaded_by(_help_of(["--help"]), tmp_path) <= {"quantize"}


@pytest.mark.parametrize("name", TOOLCHAIN_COMMANDS)
def test_help_of_a_command_of_the_toolchain(name: str, tmp_path: Path) -> None:
    assert _loaded_by(_help_of([name, "--help"]), tmp_path) <= {"quantize"}


@pytest.mark.parametrize("name", command_names())
def test_help_of_a_command(name: str, tmp_path: Path) -> None:
    assert _loaded_by(_help_of([name, "--help"]), tmp_path) == set()
