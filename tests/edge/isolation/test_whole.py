from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.cli import ISOLATED_COMMANDS, main
from edge.isolation import whole
from edge.isolation.whole import order_of
from edge.limits import limits_path
from edge.resources import samples_dir

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

PICTURE = next(p for p in sorted(samples_dir().rglob("*.jpg")))

# The command line, with a `detect` that misbehaves.
SCRIPT = """
import ctypes, os, socket, sys, time
from pathlib import Path
import edge.cli.detect as command
def run(arguments):
    {body}
    return 0
command.run = run
from edge.cli import main, prepare_process
prepare_process()
sys.exit(main(["detect", "--isolate", *sys.argv[1:]]))
"""


def run(body: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("ctypes.string_at(0)", "crashed (segmentation fault)"),
        ("os.abort()", "crashed (aborted)"),
        ("os.kill = None; time.sleep(60)", "did not end within 1 seconds"),
        ("bytearray(1 << 32)", "there is not enough memory for this"),
        ("raise ValueError('two\\nlines')", "the isolated process failed (ValueError: two lines)"),
        (
            "import cv2, numpy; cv2.resize(numpy.zeros((9, 9, 3), 'u1'), (30_000, 30_000))",
            "the isolated process failed (error: OpenCV",
        ),
        ("os._exit(70)", "ended without a word (status 70)"),
    ],
)
def test_one_line_and_status_2(body: str, words: str) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[isolation]\ncommand_seconds = 1\ncommand_memory_mib = 1024\n")
    done = run(body, "x.jpg")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("edge detect: ")
    assert words in done.stderr


def test_one_line_of_a_fresh_interpreter_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It takes its order from the command line: here one that nobody can read."""
    monkeypatch.setattr(whole, "has_one_thread", lambda: False)
    monkeypatch.setattr(whole, "packed", lambda order: {"words": 3})
    assert main(["detect", "--isolate", str(tmp_path / "x.jpg")]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "status 70" in said


def test_its_own_status_is_passed_on() -> None:
    assert run("return 7", "x.jpg").returncode == 7
    assert run("sys.exit(5)", "x.jpg").returncode == 5


def test_it_reaches_what_is_named_and_no_more(tmp_path: Path) -> None:
    for name in ("named", "other"):
        (tmp_path / name).write_text(name)
    body = (
        "print(Path(arguments.files[0]).read_text()); "
        "[print(type(e).__name__) for e in (tried(lambda: "
        "(Path(arguments.files[0]).parent / 'other').read_text()), tried(socket.socket), "
        "tried(lambda: Path('/etc/passwd').read_text()))]"
    )
    tried = (
        "def tried(what):\n    try:\n        what()\n    except OSError as error:\n"
        "        return error\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", tried + SCRIPT.format(body=body), str(tmp_path / "named")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["named", *["PermissionError"] * 3]


def test_a_request_to_stop_is_passed_on() -> None:
    body = "print('here', flush=True); time.sleep(60)"
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body), "x.jpg"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "interrupted" in said


def test_the_answer_is_the_same_as_without() -> None:
    words = [sys.executable, "-m", "edge", "detect", str(PICTURE), "--json"]
    plain, isolated = (
        subprocess.run([*words, *more], capture_output=True, text=True, check=True, timeout=120)
        for more in ([], ["--isolate"])
    )
    assert json.loads(plain.stdout) == json.loads(isolated.stdout)


def test_a_process_with_threads_starts_a_fresh_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(whole, "has_one_thread", lambda: False)
    assert main(["detect", "--isolate", str(PICTURE)]) == 0
    assert "face" in capfd.readouterr().out


@pytest.mark.parametrize("name", ISOLATED_COMMANDS)
def test_every_one_of_them_has_the_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert "--isolate" in capsys.readouterr().out


def test_what_an_order_names(tmp_path: Path, edge_home: Path) -> None:
    (tmp_path / "in.jpg").write_text("")
    parsed = argparse.Namespace(
        model=tmp_path / "models" / "m.onnx",
        photos=[str(tmp_path / "in.jpg"), "not there"],
        output=str(tmp_path / "out" / "deep" / "x.jpg"),
        purpose="film",
    )
    order = order_of(["swap"], parsed, programs=False)
    assert str(tmp_path / "models") in order.reads
    assert str(tmp_path / "in.jpg") in order.reads
    assert "film" not in order.reads
    assert str(tmp_path) in order.writes
    assert str(edge_home / "state") in order.writes
    assert os.path.sep not in {*order.reads, *order.writes}
