"""`edge build`, as a user calls it."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from quantize import measuring, way
from quantize.build import build
from quantize.cli import build as command
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import reference_like
from tests.scene import stage

MODULE = import_module("quantize.build")


@pytest.fixture
def words(edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A call that works, with little work."""
    monkeypatch.setattr(way, "HELD_OUT", 2)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", 0.0)
    nobody = stage(edge_home, tmp_path / "stage")
    model = save(reference_like(), tmp_path / "face.onnx")
    card = write_card(tmp_path / "face.toml", model, mask="mask")
    return [
        *["build", "--model", str(model), "--card", str(card), "--detector", "tiny_detector"],
        *["--identity", str(nobody.identity_file), "--target", "jetson", "--precision", "fp32"],
        *["--count", "2", "--threads", "1", "-o", str(tmp_path / "alice")],
    ]


def test_what_is_printed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--zip"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for part in ("alice: bundle ", "onnx", "one consented identity is baked in", "may be used"):
        assert part in shown.out
    assert (tmp_path / "alice.zip").is_file()
    assert "\x1b" not in shown.out


def test_json(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["bundle"] == str(tmp_path / "alice")
    assert facts["zip"] is None
    assert facts["baked"] is True
    assert set(facts["formats"]) == {"onnx"}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--target", "toaster"], "no target 'toaster'"),
        (["--detector", "nothing"], "no model 'nothing'"),
        (["--model", "nowhere.onnx"], "nowhere.onnx"),
        (["--key", "nowhere.pem"], "no private key at nowhere.pem"),
        (["--budget", "beauty:9"], "beauty"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_left(
    words: list[str],
    more: list[str],
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    assert main([*words, *more]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("edge build: ")
    assert text in shown.err
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("who", [[], ["--identity", "a", "--no-identity"]])
def test_whom_it_shows_is_said_exactly_once(who: list[str]) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--model", "m", "--target", "jetson", "-o", "x", *who])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return what gives the options that `build` is called with for words of the command line."""

    def options_of(*more: str) -> dict[str, Any]:
        given: dict[str, Any] = {}

        def fake(*_: Any, **options: Any) -> None:
            given.update(options)
            raise KeyboardInterrupt

        monkeypatch.setattr(MODULE, "build", fake)
        parser = argparse.ArgumentParser()
        command.configure(parser)
        words = ["--model", "m.onnx", "--no-identity", "--target", "jetson", "-o", "x", *more]
        run: Callable[[argparse.Namespace], int] = command.run
        with pytest.raises(KeyboardInterrupt):
            run(parser.parse_args(words))
        return given

    return options_of


def test_defaults_are_those_of_the_function(asked: Callable[..., dict[str, Any]]) -> None:
    given = asked()
    for name, parameter in inspect.signature(build).parameters.items():
        if name not in ("model", "output", "target", "identity", "progress"):
            assert given[name] == parameter.default, name


def test_maskers_are_named_as_edge_swap_takes_them(asked: Callable[..., dict[str, Any]]) -> None:
    given = asked("--mask", "xseg_2,bisenet", "--mask", "xseg_3")
    assert given["masks"] == ("xseg_2", "bisenet_resnet_18", "xseg_3")


def test_the_folder_that_one_is_in_takes_no_bundle(
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for more in ([], ["--zip"]):
        assert main([*words, "-o", ".", *more]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("edge build: .: is the folder that you are in")
        assert shown.err.count("\n") == 1


def test_a_folder_of_a_card_s_name_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ref_swapper").mkdir()  # an earlier bundle of it, for example
    monkeypatch.chdir(tmp_path)
    model, card = command._model("ref_swapper", None)
    assert (model.name, card) == ("ref_swapper.onnx", "ref_swapper")
    assert model.is_file()


def test_a_word_that_is_no_model_is_told_which_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", "--no-identity", "--target", "jetson", "-o", str(tmp_path / "out"), "--model"]
    assert main([*words, "ref_swaper"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("edge build: no model 'ref_swaper'; known: ")
    assert "ref_swapper" in shown
    for path in ("ref_swaper.onnx", "models/ref_swaper"):
        assert main([*words, path]) == 2
        assert f"{path}: no such file" in capsys.readouterr().err
