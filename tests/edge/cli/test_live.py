"""`edge live`, as a user calls it: recording, errors, and a loss of power."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.cli import main
from edge.consent.ledger import Ledger
from edge.errors import UsageError
from tests.bundles import Made
from tests.scene import ARGUMENTS, Stage, stage

pytest.importorskip("av", reason="recordings need PyAV")

LEAVE = ("--purpose", "film", "--target-is", "synthetic")


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def words(ready: Stage, out: Path, *more: str) -> list[str]:
    return [
        *("live", "--identity", str(ready.identity_file), "--source", "synthetic"),
        *("--size", "640x360", "--record", str(out), *LEAVE, *ARGUMENTS, *more),
    ]


def test_a_recording_that_verifies_as_a_folder(
    ready: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(ready, out, "--seconds", "1.6", "--segment", "0.6")) == 0
    said = capsys.readouterr().out
    assert "live: synthetic camera; recording to" in said
    assert "ended: the time is over;" in said
    assert main(["verify", str(out)]) == 0
    said = capsys.readouterr().out
    assert "whole: none is missing" in said
    assert "intact, signer trusted" in said.splitlines()[-1]
    assert main(["verify", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recordings"][0]["whole"] is True
    assert len(found["files"]) >= 2
    sorted(out.iterdir())[0].unlink()
    assert main(["verify", str(out)]) == 4
    said = capsys.readouterr().out
    assert "NOT WHOLE" in said
    assert "segment 0 is missing" in said
    # A segment's ids and its stream's watermark lead to the ledger.
    assert main(["verify", str(sorted(out.iterdir())[-1]), "--ledger"]) == 0
    said = capsys.readouterr().out
    assert "the last" in said
    assert "found by the file's hash" in said
    assert said.count("ledger      entry") == 1
    assert "with the same watermark: parts of one live stream" in said
    report = tmp_path / "r.html"
    assert main(["verify", str(sorted(out.iterdir())[-1]), "--report", str(report)]) == 0
    page = report.read_text(encoding="utf-8")
    assert "of the live stream urn:uuid:" in page
    assert "SHA-256 of the file before it" in page


def test_a_bundle(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    call = ["live", "--bundle", str(made.folder), "--source", "synthetic", "--size", "640x360"]
    assert main([*call, "--record", str(out), "--seconds", "0.5", *LEAVE]) == 0
    capsys.readouterr()
    assert main(["verify", str(next(out.iterdir()))]) == 0
    assert "bundle" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--model", "ref_swapper"),  # what it would be without a bundle is no answer either
        ("--detector", "ref_detector"),
        ("--landmarker", "nobody"),
        ("--mask", "nobody"),
        ("--backend", "ort"),
        ("--provider", "CPUExecutionProvider"),
    ],
)
def test_what_a_bundle_says_is_not_said_again(
    tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["live", "--bundle", "nowhere", "--source", "synthetic", "--record", str(tmp_path)]
    assert main([*call, *LEAVE, option, value]) == 2
    errors = capsys.readouterr().err
    assert f"edge live: {option} does not go with --bundle, which says what runs" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("given", "threads"), [([], None), (["--threads", "0"], 0)])
def test_a_bundle_says_the_threads_unless_the_user_does(
    given: list[str], threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def swapper(**options: Any) -> None:
        asked.append(options["threads"])
        raise UsageError("that is enough")

    opened = SimpleNamespace(notes=(), swapper=swapper)
    monkeypatch.setattr("edge.bundle.opening.open_bundle", lambda path: opened)
    call = ["live", "--bundle", "nowhere", "--source", "synthetic", "--record", "nowhere"]
    assert main([*call, *LEAVE, *given]) == 2
    assert asked == [threads]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--source", "camera:99"], "no such camera"),
        (["--source", "nothing.mp4"], "neither a source's name nor a file"),
        (["--seconds", "0"], "--seconds is a number above 0"),
        (["--fps", "-1"], "--fps is a number above 0"),
        (["--keep", "0"], "--keep is a number above 0"),
        (["--segment", "1e300"], "--segment is a number above 0 and below 10000000, not 1e+300"),
        (["--purpose", "game"], "does not cover the purpose"),
        (["--view", "--listen", "a:b:c", "--identity", "nobody's"], "--listen"),  # looked at first
    ],
)
def test_what_is_wrong_is_one_line(
    ready: Stage, tmp_path: Path, change: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(ready, tmp_path / "out", *change)) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_end_of_the_consent_is_status_2(
    edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import datetime

    from edge.consent.canonical import utc_now

    ready = stage(edge_home, tmp_path / "work", until=utc_now() + datetime.timedelta(seconds=2))
    out = tmp_path / "out"
    assert main(words(ready, out)) == 2
    assert "expired" in capsys.readouterr().err
    # What was made while it was in force is whole, and says that it is the last.
    assert main(["verify", str(out)]) == 0


def start(ready: Stage, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", *words(ready, out, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # Whoever runs the tests in the background may have it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(out: Path, segments: int) -> None:
    end = time.monotonic() + 60
    while len(list(out.glob("[0-9]*.mp4"))) < segments:
        assert time.monotonic() < end, "no segments"
        time.sleep(0.02)


def test_a_loss_of_power_costs_the_open_segment_alone(
    ready: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    child = start(ready, out, "--segment", "0.4")
    wait_for(out, 3)
    child.kill()  # SIGKILL: nothing of ours runs any more
    child.communicate(timeout=30)
    kept = len(list(out.glob("[0-9]*.mp4")))
    assert kept >= 3
    assert main(["verify", str(out)]) == 4
    said = capsys.readouterr().out
    assert said.count("0: intact, signer trusted") == kept
    assert "its end is missing" in said
    Ledger().recover()
    outputs = [entry for entry in Ledger().entries() if entry.kind == "output"]
    assert sum(entry.state == "published" for entry in outputs) == kept
    assert all(entry.state in {"published", "missing"} for entry in outputs)
    assert Ledger().verify() == []
    # The next recording into the folder tidies up what was open.
    assert main(words(ready, out, "--seconds", "0.3")) == 0
    assert list(out.glob(".*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_whole(
    ready: Stage, tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    child = start(ready, out, "--segment", "0.4")
    wait_for(out, 1)
    child.send_signal(number)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    assert "ended: stopped by the operator" in said
    assert main(["verify", str(out)]) == 0
    assert "whole" in capsys.readouterr().out
