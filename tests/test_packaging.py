"""What is packaged, and how the scripts make an environment on machines that lack this or that.

The machines are folders of stand-ins: a `python3` that says it is 3.9, one without venv, a pip
that is killed. So nothing is installed here, and nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
SCRIPTS = ("demo", "test", "check", "bench", "train", "independent")
TOOLS = (
    "bash",
    "cat",
    "chmod",
    "cksum",
    "cp",
    "dirname",
    "env",
    "flock",
    "grep",
    "mkdir",
    "mv",
    "rm",
    "sort",
)

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_names() -> None:
    assert PROJECT["project"]["name"] == "edge-swap"
    assert PROJECT["project"]["scripts"]["edge"] == "edge.cli:main"
    assert PROJECT["project"]["requires-python"] == ">=3.10"


def test_engines_are_extras() -> None:
    """A device brings its own engine: a second one beside it silently runs on the CPU."""
    base = " ".join(PROJECT["project"]["dependencies"])
    for engine in ("onnxruntime", "litert", "tflite", "tensorrt"):
        assert engine not in base
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) >= {"cpu", "video", "litert", "tflite", "quantize", "train", "dev"}


def test_only_the_two_packages_and_their_data_are_shipped() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["only-include"]) == {
        "edge",
        "quantize",
        "models/cards",
        "models/weights",
        "models/samples",
        "targets",
    }
    assert wheel["sources"] == {"models": "edge/_models", "targets": "edge/_targets"}


@pytest.mark.parametrize("name", [*(f"scripts/{name}" for name in SCRIPTS), ".ci/run"])
def test_scripts_can_be_run(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True, timeout=10)
    assert "set -euo pipefail" in path.read_text(encoding="utf-8")


PYTHON = """\
#!/usr/bin/env bash
case "$1 $2" in
"-c import sys; print"*) echo {version} ;;
"-c import ensurepip"*) exit {no_venv} ;;
"-m venv")
    mkdir -p "$4/bin" "$4/lib/python{version}/site-packages"
    rm -f "$4"/edge-*
    cp "$0" "$4/bin/python"
    echo venv >>"$LOG"
    ;;
"-m pip")
    if [ "$3" = install ]; then
        echo "$*" >>"$LOG"
        [ "${{PIP:-}}" != killed ] || kill -9 $$
        [ "${{PIP:-}}" != fails ] || exit 1
    fi
    ;;
*) exit 9 ;;
esac
"""

USE = """\
#!/usr/bin/env bash
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
use_environment .venv "$@"
echo "$PYTHON"
"""


@dataclass
class Board:
    """A machine that has only what a test puts there."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def has_python(self, name: str, version: str, *, venv: bool = True) -> None:
        path = self.root / "bin" / name
        path.write_text(PYTHON.format(version=version, no_venv=int(not venv)), encoding="utf-8")
        path.chmod(0o755)

    def use(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Ask for .venv with the extras and limits in `arguments`, from another folder."""
        return subprocess.run(
            [str(self.repository / "scripts" / "use"), *arguments],
            cwd="/",
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def repository(self) -> Path:
        return self.root / "a repository"

    @property
    def log(self) -> list[str]:
        path = self.root / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def board(tmp_path: Path) -> Board:
    board = Board(tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (tools / tool).symlink_to(found)
    scripts = board.repository / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment.sh", scripts)
    (scripts / "use").write_text(USE, encoding="utf-8")
    (scripts / "use").chmod(0o755)
    (board.repository / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    board.environment = {"PATH": str(tools), "LOG": str(tmp_path / "log")}
    return board


def _refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert all(word in last for word in words), last


def test_the_first_call_installs_and_the_second_does_nothing(board: Board) -> None:
    board.has_python("python3", "3.11")
    first = board.use("cpu,video")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == str(board.repository / ".venv/bin/python")
    assert len(first.stderr.splitlines()) == 2
    assert board.log[0] == "venv"
    assert board.log[1].endswith("--editable .[cpu,video]")
    second = board.use("cpu,video")
    assert second.stderr == ""
    assert len(board.log) == 2


def test_more_extras_are_added_and_fewer_are_there_already(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.use("cpu,video")
    board.use("cpu,dev")
    assert board.log[2].endswith(".[cpu,dev]")
    board.use("video")
    board.use("cpu,video,dev")
    assert len(board.log) == 3


def test_a_changed_project_is_installed_again(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.use("cpu")
    (board.repository / "pyproject.toml").write_text("[project]\nx = 1\n", encoding="utf-8")
    board.use("cpu")
    assert len(board.log) == 3
    assert board.log.count("venv") == 1


def test_a_repository_that_moved_is_installed_again(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.use("cpu")
    board.repository.rename(board.root / "elsewhere")
    (board.root / "elsewhere").rename(board.root / "a repository")
    board.use("cpu")
    assert len(board.log) == 2
    shutil.move(board.repository, board.root / "other")
    (board.root / "a repository").symlink_to(board.root / "other")
    board.use("cpu")
    assert len(board.log) == 3


def test_an_installation_that_was_killed_is_made_anew(board: Board) -> None:
    board.has_python("python3", "3.11")
    assert board.use("cpu", PIP="killed").returncode == 2
    assert board.use("cpu").returncode == 0
    assert board.log.count("venv") == 2


def test_an_installation_that_failed_is_tried_again(board: Board) -> None:
    board.has_python("python3", "3.11")
    _refused(board.use("cpu", PIP="fails"), "failed", "package index")
    assert board.use("cpu").returncode == 0
    assert board.log.count("venv") == 1


def test_an_environment_whose_python_is_gone_is_made_anew(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.use("cpu")
    (board.repository / ".venv/bin/python").unlink()
    assert board.use("cpu").returncode == 0
    assert board.log.count("venv") == 2


def test_an_environment_whose_python_was_upgraded_is_made_anew(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.use("cpu")
    board.has_python("python3", "3.13")
    shutil.copy(board.root / "bin" / "python3", board.repository / ".venv/bin/python")
    assert board.use("cpu").returncode == 0
    assert board.log.count("venv") == 2


def test_no_python(board: Board) -> None:
    _refused(board.use("cpu"), "Python 3.10 or newer", "python3 is none")


def test_an_old_python(board: Board) -> None:
    board.has_python("python3", "3.9")
    _refused(board.use("cpu"), "Python 3.10 or newer", "python3 is 3.9")


def test_an_old_python_beside_a_newer_one(board: Board) -> None:
    board.has_python("python3", "3.9")
    board.has_python("python3.10", "3.10")
    board.has_python("python3.12", "3.12")
    assert "with Python 3.12" in board.use("cpu").stderr


def test_a_named_python(board: Board) -> None:
    board.has_python("python3", "3.11")
    board.has_python("mine", "3.10")
    assert "with Python 3.10" in board.use("cpu", EDGE_PYTHON="mine").stderr
    assert board.use("cpu").returncode == 0, "without the name the environment may stay"
    assert board.log.count("venv") == 1
    board.use("cpu", EDGE_PYTHON="python3")
    assert board.log.count("venv") == 2


@pytest.mark.parametrize(("version", "word"), [("3.9", "3.9"), (None, "does not run")])
def test_a_named_python_that_will_not_do(board: Board, version: str | None, word: str) -> None:
    board.has_python("python3", "3.11")
    if version is not None:
        board.has_python("mine", version)
    _refused(board.use("cpu", EDGE_PYTHON="mine"), "EDGE_PYTHON", word)


def test_no_venv(board: Board) -> None:
    board.has_python("python3", "3.11", venv=False)
    done = board.use("cpu")
    _refused(done, "sudo apt install python3", "-venv")
    assert not (board.repository / ".venv").exists()


def test_the_older_set_needs_an_older_python(board: Board) -> None:
    (board.repository / "pins.txt").write_text("numpy==1.26.4\n", encoding="utf-8")
    board.has_python("python3", "3.13")
    _refused(board.use("cpu", "pins.txt", "3.11"), "Python 3.10 to 3.11", "python3 is 3.13")
    board.has_python("python3.11", "3.11")
    done = board.use("cpu", "pins.txt", "3.11")
    assert "with Python 3.11" in done.stderr
    assert "--constraint pins.txt" in board.log[-1]
