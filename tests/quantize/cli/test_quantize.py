"""`edge quantize`: what it passes on, what it prints, and its exit status."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from quantize import measuring, way
from quantize.cli import quantize as command
from quantize.conversion import Conversion
from quantize.convert import convert
from tests import tiny
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import reference_like
from tests.scene import Stage, stage

MODULE = importlib.import_module("quantize.convert")  # its name means the function


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "HELD_OUT", 2)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", 0.0)


@pytest.fixture
def words(edge_home: Path, tmp_path: Path) -> list[str]:
    """A call that works: model, card, output folder, and little work."""
    tiny.install_one(edge_home, "tiny_embedder", "recogniser", tiny.RECOGNISER, tiny.embedder())
    model = save(reference_like(), tmp_path / "face.onnx")
    card = write_card(tmp_path / "face.toml", model, mask="mask")
    little = ["--count", "2", "--threads", "1"]
    return [str(model), "--card", str(card), "-o", str(tmp_path / "out"), *little]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser.parse_args(words)


class Stopped(Exception):
    """Ends a call where the work would begin."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def fake(model: Path, output: Path, **options: Any) -> Conversion:
        seen.update(options, model=model, output=output)
        raise Stopped

    monkeypatch.setattr(MODULE, "convert", fake)
    return seen


def test_every_option_reaches_the_work(asked: dict[str, Any]) -> None:
    first = ["m.onnx", "--card", "c.toml", "--precision", "w8", "--format", "ort"]
    second = ["--target", "jetson", "--budget", "psnr:45", "--recipe", "r", "--bake", "a.identity"]
    third = ["--calibration", "crops", "--count", "7", "--threads", "2", "--overwrite", "-o", "out"]
    third += ["--source-picture", "a.png", "--ort-style", "fixed"]
    with pytest.raises(Stopped):
        command.run(parsed(*first, *second, *third))
    del asked["progress"]
    assert asked == {
        "model": Path("m.onnx"),
        "output": Path("out"),
        "card": "c.toml",
        "precision": "w8",
        "format": "ort",
        "target": "jetson",
        "recipe": "r",
        "ort_style": "fixed",
        "budget": "psnr:45",
        "bake": Path("a.identity"),
        "source_picture": Path("a.png"),
        "calibration": Path("crops"),
        "count": 7,
        "threads": 2,
        "overwrite": True,
    }


def test_defaults_are_those_of_the_function(asked: dict[str, Any]) -> None:
    with pytest.raises(Stopped):
        command.run(parsed("m.onnx", "-o", "out"))
    for name, parameter in inspect.signature(convert).parameters.items():
        if name not in ("model", "output", "progress"):
            assert asked[name] == parameter.default, name


def test_a_plain_table_and_the_files(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", *words, "--precision", "int8"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0].split(maxsplit=1) == [
        "model",
        "face.x86_cpu.int8.onnx (int8, x86_cpu, recipe x86_cpu)",
    ]
    heads = [line.split(maxsplit=1)[0] for line in lines]
    for head in ("size", "quality", "identity", "latency", "fastest", "float", "kernels", "memory"):
        assert head in heads
    (mask,) = [line for line in lines if line.startswith("mask ")]
    assert re.search(r"worst mask \d+\.\d\d dB, largest difference 0\.\d{4}$", mask)
    assert lines[-2].endswith("face.x86_cpu.int8.onnx")
    assert lines[-1].endswith("face.x86_cpu.int8.onnx.json")
    assert "\x1b" not in shown.out


def test_json_is_what_lies_beside_the_model(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", *words, "--precision", "fp16", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "out" / "face.x86_cpu.fp16.onnx.json").read_text("utf-8"))
    assert printed == written


def test_a_baked_model_is_said_to_be_one(
    words: list[str], edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody: Stage = stage(edge_home, tmp_path / "stage")
    bake = ["--bake", str(nobody.identity_file), "--precision", "fp32"]
    assert main(["quantize", *words, *bake]) == 0
    shown = capsys.readouterr().out
    assert f"identity {nobody.identity.commitment[:12]}" in shown
    assert "'edge identity erase' removes it" in shown


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--budget", "psnr:98"], "the budget psnr:98 cannot be met: the nearest is psnr"),
        (["--target", "toaster"], "no target 'toaster'"),
        (["--calibration", "nowhere"], "nowhere"),
    ],
)
def test_an_error_is_one_line_and_status_2(
    more: list[str],
    text: str,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["quantize", *words, *more]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("edge quantize: ")
    assert text in shown.err
    assert not (tmp_path / "out").exists()


def test_an_interruption_is_status_130(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(way, "measure_latency", interrupted)
    assert main(["quantize", *words, "--precision", "fp32"]) == 130
    assert "nothing half-written was left" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_file_name_cannot_draw_on_the_terminal(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "fa\x1b[31mce.onnx"
    evil.write_bytes(Path(words[0]).read_bytes())
    assert main(["quantize", str(evil), *words[1:], "--precision", "fp32"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_bar_shows_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with command.bars(quiet=False) as progress:
        progress("calibrating [odd]", 1, 3)
        progress("timing", 0, 0)
    with command.bars(quiet=True) as progress:
        progress("anything", 1, 1)


def test_the_verdict_of_the_target_is_printed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", *words, "--precision", "fp32", "--target", "android_nnapi"]) == 0
    out = capsys.readouterr().out
    assert "no known blocker for NNAPI: one partition" in out
    assert "NNAPI is deprecated since Android 15" in out
    assert main(["quantize", *words, "--precision", "w8", "--target", "android_nnapi"]) == 0
    out = capsys.readouterr().out
    assert "NNAPI is refused" in out
    assert "finding 1" in out
    facts = json.loads((Path(words[4]) / "face.android_nnapi.w8.onnx.json").read_text())
    static = facts["checks"]["static"]
    assert static["verdicts"]["nnapi"].startswith("NNAPI is refused")
    assert {"checker", "rule", "node", "operator", "problem", "fix"} <= set(static["findings"][0])
