"""The command: a student from nothing, errors in one line, Ctrl-C and going on."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")
pytest.importorskip("tomli_w")
pytest.importorskip("numba")

from edge.cards import load_card
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from models.training.distil import __main__ as command
from models.training.distil import labels as labelling
from models.training.distil import train as training
from models.training.distil.judge import Speed
from models.training.distil.teacher import Shown, Teacher
from tests.models.training.distil.stand import SIZE, a_store, install
from tests.scene import Stage


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No rendering: noisy pictures stand for the targets, and a few of them for the held-out."""
    store = a_store()
    monkeypatch.setenv("EDGE_TRAIN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(command, "rendered", lambda options, size: [(store, i) for i in range(6)])
    rng = np.random.default_rng(1)
    held = [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(4)]
    monkeypatch.setattr(labelling, "held_out_crops", lambda crop, count: held)
    monkeypatch.setattr(
        command,
        "race",
        lambda teacher, student: (teacher(), student(), Speed(5, 1, 4, 1))[2],
    )


def run(nobody: Stage, output: Path, *more: str) -> int:
    given = ["--teacher", "little", "--identity", str(nobody.identity_file), "-o", str(output)]
    quick = ["--labels", "8", "--batch", "4", "--every", "2", "--threads", "1", "--minutes", "0.01"]
    return command.main([*given, *quick, *more])


def folders(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "data" / "students").iterdir())


def test_a_student_from_nothing(
    nobody: Stage, edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(edge_home)
    output = tmp_path / "alice.onnx"
    assert run(nobody, output) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "119 thousand parameters" in told
    assert "on 4 held-out targets" in told
    assert f"edge build --model {output} --card {output.with_suffix('.toml')}" in told
    assert load_card(output.with_suffix(".toml")).name == "alice"
    (folder,) = folders(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (folder / "labels").exists()  # the person's face, in raw arrays
    assert (folder / "sheet.png").exists()


def test_what_is_there_is_not_written_over(
    nobody: Stage, edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(edge_home)
    output = tmp_path / "alice.onnx"
    output.write_bytes(b"mine")
    assert run(nobody, output) == 2
    assert "exists already" in capsys.readouterr().err
    assert output.read_bytes() == b"mine"
    assert run(nobody, tmp_path / "alice.tflite") == 2
    assert "ends in .onnx" in capsys.readouterr().err


def test_two_runs_do_not_train_one_student(
    nobody: Stage, edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(edge_home)
    options = command.parser().parse_args(
        ["--teacher", "little", "--identity", str(nobody.identity_file), "-o", "first.onnx"]
    )
    with command.opened(options).lock:
        assert run(nobody, tmp_path / "second.onnx") == 2
    assert "another run trains this student" in capsys.readouterr().err
    assert run(nobody, tmp_path / "second.onnx") == 0


def test_a_fresh_start_forgets_the_checkpoint(
    nobody: Stage, edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(edge_home)
    assert run(nobody, tmp_path / "alice.onnx") == 0
    capsys.readouterr()
    assert run(nobody, tmp_path / "alice.onnx", "--fresh", "--overwrite") == 0
    assert "going on" not in capsys.readouterr().out


def test_a_teacher_that_paints_nothing(
    nobody: Stage,
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(edge_home)
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    monkeypatch.setattr(Teacher, "__call__", lambda self, crop: Shown(crop, nothing))
    assert run(nobody, tmp_path / "alice.onnx") == 2
    assert "paints no face on any of 4 targets" in capsys.readouterr().err


def test_leave_is_asked_for_again_at_the_end(
    nobody: Stage,
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(edge_home)
    trained = command.trained

    def revoked_meanwhile(*given: Any) -> Any:
        done = trained(*given)
        revocation = new_revocation(nobody.consent, operator_key(), load_trust(), "asked to")
        install_revocation(revocation)
        return done

    monkeypatch.setattr(command, "trained", revoked_meanwhile)
    assert run(nobody, tmp_path / "alice.onnx") == 2
    assert "was revoked" in capsys.readouterr().err
    assert not (tmp_path / "alice.onnx").exists()


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on(
    nobody: Stage,
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(edge_home)
    output = tmp_path / "alice.onnx"
    learn = training.Run.learn

    def interrupted(self: training.Run, places: Any) -> None:
        learn(self, places)
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training.Run, "learn", interrupted)
    assert run(nobody, output, "--minutes", "10") == 130
    assert "the same command goes on" in " ".join(capsys.readouterr().out.split())
    assert not output.exists()
    (folder,) = folders(tmp_path)
    assert (folder / training.CHECKPOINT).exists()
    assert (folder / "labels").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.setattr(training.Run, "learn", learn)
    assert run(nobody, output, "--minutes", "0.02") == 0
    assert "going on from step 3" in capsys.readouterr().out
    assert output.exists()
