"""A run that does not end is ended, in one line; in somebody else's program nothing is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge import watch
from edge.limits import limits_path

pytest.importorskip("onnxruntime")

CODE = """
import sys
from pathlib import Path
from edge.backends import open_session
from edge.watch import watch_for
if sys.argv[2]:
    watch_for(sys.argv[2])
session = open_session(Path(sys.argv[1]), threads=1)
if sys.argv[3] == "idle":
    import time
    time.sleep(1.5)
else:
    session.run(session.blank())
print("over")
"""


def run(folder: Path, command: str, how: str = "run") -> subprocess.CompletedProcess[str]:
    from tests.edge.isolation.test_jobs import endless

    path = folder / "m\x1b[2J.onnx"
    endless(path)
    limits_path().parent.mkdir(parents=True, exist_ok=True)
    limits_path().write_text("[model]\nrun_seconds = 1\n")
    words = [sys.executable, "-c", CODE, str(path), command, how]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_a_command_ends_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "swap")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("edge swap: model m")
    assert "did not end within 1 seconds" in done.stderr
    assert "\x1b" not in done.stderr


def test_an_open_model_that_does_not_run_takes_what_time_it_likes(tmp_path: Path) -> None:
    assert run(tmp_path, "swap", "idle").stdout == "over\n"


def test_a_program_that_is_no_command_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_command", "")
    watch.begin()
    assert watch._seconds == 0
    with watch.running("m.onnx"):
        assert watch._running == {}


def test_a_limit_of_nothing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nrun_seconds = 0\n")
    monkeypatch.setattr(watch, "_command", "swap")
    watch.begin()
    assert watch._seconds == 0


def test_only_the_process_itself_says_that_it_is_a_command() -> None:
    """Whoever calls `edge.cli.main` with words of its own is a program, as these tests are."""
    from edge.cli import main

    assert main(["--version"]) == 0
    assert watch._command == ""
    code = "import sys; sys.argv = ['edge', '--version']\nfrom edge.cli import main; main()\n"
    code += "from edge import watch; print(watch._command)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.endswith("--version\n")
