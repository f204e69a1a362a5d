from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from tests import tiny


@pytest.fixture(autouse=True)
def models(edge_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_MODELS_DIR", raising=False)
    tiny.install(edge_home)


def test_every_model_is_listed_with_its_terms_and_place(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "name",
        "kind",
        "precision",
        "size",
        "licence",
        "commercial",
        "file",
    ]
    by_name = {line.split()[0]: line for line in lines}
    assert str(edge_home) in by_name["tiny_swapper"]
    assert by_name["yunet"].endswith("missing (edge models add FILE)")


def test_the_list_as_json(edge_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    models = {each["name"]: each for each in json.loads(capsys.readouterr().out)["models"]}
    assert models["tiny_swapper"]["path"] == str(edge_home / "data/models/tiny_swapper.onnx")
    assert models["yunet"]["path"] is None
    assert models["yunet"]["licence"] == "Apache-2.0"


def test_a_card_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "tiny_swapper"]) == 0
    text = capsys.readouterr().out
    assert "template: arcface_128" in text
    assert "recogniser: tiny_embedder" in text
    assert main(["models", "show", "tiny_swapper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["crop"]["size"] == 128


def test_a_file_is_added(
    edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge_home / "data/models/tiny_embedder.onnx"
    moved = path.rename(tmp_path / "download")
    assert main(["models", "add", str(moved)]) == 0
    assert capsys.readouterr().out == f"tiny_embedder: {path}\n"
    assert path.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nix"], "no model 'nix'"),
        (["add", "missing.onnx"], "missing.onnx: cannot be read"),
        (["add", __file__], "no card means this file"),
        (["add", __file__, "--card", "yunet"], "not the file that card 'yunet' means"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_broken_card_of_the_user_is_one_line(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (edge_home / "data/cards/odd.toml").write_text("kind = 3", encoding="utf-8")
    assert main(["models", "list"]) == 2
    assert capsys.readouterr().err.startswith("edge models: card odd.toml: 'kind' must be text")
