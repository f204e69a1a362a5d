"""`edge compare`: what it passes on, and what it prints."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from quantize.cli import compare as command
from quantize.compare import COUNT, ROUNDS
from quantize.errors import MeasureError
from tests.quantize.measured import comparison, row


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `compare` was called with; nothing is measured."""
    seen: dict[str, Any] = {}

    def compare(reference: Path, candidates: list[Path], **options: Any) -> object:
        seen.update(options, reference=reference, candidates=candidates)
        options["progress"](1, 2, "a.onnx")
        return comparison(row("a.onnx"))

    monkeypatch.setattr(sys.modules["quantize.compare"], "compare", compare)
    return seen


def test_every_option_reaches_the_work(asked: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    names = ["--card", "tiny", "--calibration", "crops", "--report", str(page)]
    numbers = ["--count", "3", "--rounds", "7", "--threads", "2"]
    assert _run("m.onnx", "a.onnx", "b.tflite", *names, *numbers) == 0
    del asked["progress"]
    assert asked == {
        "reference": Path("m.onnx"),
        "candidates": [Path("a.onnx"), Path("b.tflite")],
        "card": "tiny",
        "report": page,
        "calibration": Path("crops"),
        "count": 3,
        "rounds": 7,
        "threads": 2,
    }


def test_defaults_are_those_of_the_function(asked: dict[str, Any]) -> None:
    _run("m.onnx", "a.onnx")
    assert asked["count"] == COUNT
    assert asked["rounds"] == ROUNDS
    assert asked["threads"] is None


@pytest.mark.usefixtures("asked")
def test_a_table_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("m.onnx", "a.onnx", "--report", "r.html") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("model ")
    assert "Smallest: a.onnx" in printed.out
    assert printed.out.endswith("report: r.html\n")
    assert printed.err == ""


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_nothing_measured_is_an_error_after_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    bad = comparison(row("a.onnx", trouble="is no model"), row("b.onnx", trouble="is none either"))
    monkeypatch.setattr(sys.modules["quantize.compare"], "compare", lambda *_, **__: bad)
    words = r"^nothing could be measured: a\.onnx: is no model, and 1 more$"
    with pytest.raises(MeasureError, match=words):
        _run("m.onnx", "a.onnx", "b.onnx", *more)
    assert "is none either" in capsys.readouterr().out


@pytest.mark.usefixtures("asked")
def test_json_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("m.onnx", "a.onnx", "--json", "--report", "r.html") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["candidates"][0]["name"] == "a.onnx"
    assert printed.err == ""


def test_a_candidate_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _run("m.onnx")
    assert "candidate" in capsys.readouterr().err
