from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import edge.cards as cards_module
from edge.cards import Card
from edge.cli import main
from edge.errors import GateError
from edge.gate import open_gates
from tests import families, gates, tiny


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
    assert by_name["yunet"].endswith("missing (edge models pull yunet)")
    assert by_name["ghost_1_256"].endswith("missing (edge models add FILE)")


def test_the_list_as_json(edge_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    models = {each["name"]: each for each in json.loads(capsys.readouterr().out)["models"]}
    assert models["tiny_swapper"]["path"] == str(edge_home / "data/models/tiny_swapper.onnx")
    assert models["yunet"]["path"] is None
    assert models["yunet"]["licence"] == "Apache-2.0"


def test_a_card_is_shown(edge_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "tiny_swapper"]) == 0
    text = capsys.readouterr().out
    assert "template: arcface_128" in text
    assert "recogniser: tiny_embedder" in text
    assert f"card: {edge_home / 'data/cards/tiny_swapper.toml'}" in text
    assert main(["models", "show", "tiny_swapper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["crop"]["size"] == 128


def test_a_file_is_added(
    edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge_home / "data/models/tiny_embedder.onnx"
    moved = path.rename(tmp_path / "download")
    assert main(["models", "add", str(moved)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"tiny_embedder: {path}"
    assert out[1:] == [
        "  licence: Apache-2.0; commercial use: yes",
        "  recognised by: SHA-256",
    ]
    assert path.is_file()


def test_what_was_recognised_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "from somewhere"
    given.write_bytes(families.model_bytes("crossface_ghost"))
    assert main(["models", "add", str(given)]) == 2
    assert "no card means this file" in capsys.readouterr().err
    monkeypatch.setattr(cards_module, "load_card", _without_sizes(cards_module.load_card))
    assert main(["models", "add", str(given), "--card", "crossface_ghost"]) == 0
    out = capsys.readouterr().out
    assert "  licence: OpenRAIL-MS; commercial use: unknown\n" in out
    assert "  as the card says: names and shapes, precision\n" in out
    assert "  not as the card says: " in out
    assert "  not checked: size, operators, shapes of weights\n" in out
    assert "  recorded: SHA-256 " in out
    assert main(["models", "add", str(given), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["name"], values["recorded"]) == ("crossface_ghost", False)


def _without_sizes(load: Callable[[Path], Card]) -> Callable[[Path], Card]:
    def loaded(path: Path) -> Card:
        card = load(path)
        return card if card.sha256 else replace(card, size=0)

    return loaded


def test_files_are_verified_in_full(edge_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "tiny_swapper", "tiny_embedder"]) == 0
    assert capsys.readouterr().out.count("  right     ") == 2
    path = edge_home / "data/models/tiny_swapper.onnx"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # no cache would notice
    assert main(["models", "verify", "--json"]) == 1
    states = {each["name"]: each for each in json.loads(capsys.readouterr().out)["models"]}
    assert states["tiny_swapper"]["state"] == "differs"
    assert states["ref_swapper"]["state"] == "right"
    assert main(["models", "verify", "yunet"]) == 1
    assert "missing" in capsys.readouterr().out


def test_a_model_is_removed_from_the_users_folder_only(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge_home / "data/models/tiny_swapper.onnx"
    assert main(["models", "remove", "tiny_swapper"]) == 0
    assert capsys.readouterr().out == f"tiny_swapper: removed {path}\n"
    assert not path.exists()
    assert main(["models", "remove", "tiny_swapper"]) == 2
    assert "nothing to remove" in capsys.readouterr().err
    assert main(["models", "remove", "ref_swapper"]) == 2
    assert "which is not yours" in capsys.readouterr().err
    assert main(["models", "show", "ref_swapper"]) == 0
    assert "missing" not in capsys.readouterr().out


def test_a_gate_is_removed_with_what_was_noted_of_it(edge_home: Path, tmp_path: Path) -> None:
    moved = gates.install(edge_home).rename(tmp_path / "gate.onnx")
    assert main(["models", "add", str(moved)]) == 0
    (edge_home / "data/models/blue_gate.onnx").unlink()
    with pytest.raises(GateError):
        open_gates()
    assert main(["models", "remove", "blue_gate"]) == 0
    assert not open_gates()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nix"], "no model 'nix'"),
        (["add", "missing.onnx"], "missing.onnx: cannot be read"),
        (["add", __file__], "no card means this file"),
        (["add", __file__, "--card", "yunet"], "not the file that card 'yunet' means"),
        (["pull", "ghost_1_256"], "states no SHA-256"),
        (["pull", "nix"], "no model 'nix'"),
        (["verify", "nix"], "no model 'nix'"),
        (["remove", "nix"], "no model 'nix'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_broken_card_of_the_user_is_one_line_and_stops_no_other(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge_home / "data/cards/odd.toml"
    path.write_text("kind = 3", encoding="utf-8")
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr()
    assert "ref_swapper" in shown.out
    reason = "card odd.toml: 'kind' must be text"
    assert shown.err.startswith(f"edge models: left out, mend or remove {path}: {reason}")
    assert shown.err.count("\n") == 1
    assert main(["models", "list", "--json"]) == 0
    (bad,) = json.loads(capsys.readouterr().out)["broken"]
    assert bad["path"] == str(path)
    assert main(["models", "show", "odd"]) == 2
    assert capsys.readouterr().err.startswith(f"edge models: {reason}")
