"""Converted files are added by what the toolchain wrote beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.adding import add_model
from edge.cards import all_cards, find_card
from edge.emap import load_emap
from edge.errors import CardError, ModelError
from edge.records import Crop
from edge.registry import find_file
from edge.resources import cards_dir
from edge.sources import BAKED_IN
from edge.swapmodel import open_swap_model
from edge.verifying import remove_model
from tests import families

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NAME = "inswapper_128"


def _converted(folder: Path, model: onnx.ModelProto, card: str | None, **facts: Any) -> Path:
    """Write a file as the toolchain leaves it: with its record beside it."""
    folder.mkdir(exist_ok=True)
    path = folder / "small.int8.onnx"
    path.write_bytes(model.SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = {"schema": "edge-swap/conversion-1", "sha256": digest, "card": card, **facts}
    path.with_name(path.name + ".json").write_text(json.dumps(record), encoding="utf-8")
    return path


def _lifted(folder: Path) -> tuple[onnx.ModelProto, Path]:
    model = onnx.load_from_string(families.model_bytes(NAME))
    (emap,) = [tensor for tensor in model.graph.initializer if tensor.name == "buff2fs"]
    model.graph.initializer.remove(emap)
    folder.mkdir()
    side = folder / "small.int8.onnx.emap.npy"
    np.save(side, onnx.numpy_helper.to_array(emap))
    return model, side


def test_a_converted_inswapper_comes_with_its_emap(edge_home: Path, tmp_path: Path) -> None:
    families.install(edge_home, NAME)
    model, side = _lifted(tmp_path / "out")
    added = add_model(_converted(tmp_path / "out", model, NAME))
    card, original = added.card, find_card(NAME)
    assert (added.after, added.evidence) == (NAME, ("the record of its conversion",))
    assert (card.name, card.file) == ("small.int8", "small.int8.onnx")
    assert (card.licence, card.input, card.crop) == (
        original.licence,
        original.input,
        original.crop,
    )
    assert card.graph == original.graph or card.graph is None
    picture = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    crop, who = Crop(picture, np.eye(2, 3)), np.random.default_rng(2).standard_normal(512)
    pictures = [
        open_swap_model(name, threads=1)._swap_crop(crop, who.astype(np.float32))[0]
        for name in (NAME, "small.int8")
    ]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert {path.name for path in remove_model("small.int8")} == {added.path.name, side.name}
    # Its card is known now: the same file is recognised by its hash, emap and all.
    again = add_model(tmp_path / "out" / "small.int8.onnx")
    assert (again.evidence, again.after) == (("SHA-256",), "")
    assert load_emap(again.card, again.path) is not None


def _own_card(home: Path, old: str, new: str) -> None:
    """Write a card of the user's: as the shipped one has it, but for its layout."""
    text = (cards_dir() / f"{NAME}.toml").read_text(encoding="utf-8")
    for this, that in ((f'"{NAME}"', '"mine"'), (f'"{NAME}.onnx"', '"mine.onnx"'), (old, new)):
        assert this in text
        text = text.replace(this, that)
    (home / "data" / "cards").mkdir(parents=True)
    (home / "data" / "cards" / "mine.toml").write_text(text, encoding="utf-8")


def test_a_card_whose_lines_are_indented_is_followed(edge_home: Path, tmp_path: Path) -> None:
    _own_card(edge_home, "\nemap = ", "\n  emap\t= ")
    model, _ = _lifted(tmp_path / "out")
    added = add_model(_converted(tmp_path / "out", model, "mine"))
    assert added.after == "mine"
    assert load_emap(added.card, added.path) is not None


def test_a_card_that_none_can_follow_is_one_line(edge_home: Path, tmp_path: Path) -> None:
    _own_card(edge_home, "\nemap = ", '\n"emap" = ')
    model, _ = _lifted(tmp_path / "out")
    with pytest.raises(CardError, match="card mine: no card can be written after it: give 'emap'"):
        add_model(_converted(tmp_path / "out", model, "mine"))


def test_an_emap_that_two_cards_share_is_not_removed(edge_home: Path, tmp_path: Path) -> None:
    model, side = _lifted(tmp_path / "out")
    card = add_model(_converted(tmp_path / "out", model, NAME)).card
    folder = edge_home / "data" / "cards"
    text = (folder / "small.int8.toml").read_text(encoding="utf-8")
    text = text.replace('name = "small.int8"', 'name = "other"').replace(card.file, "other.onnx", 1)
    (folder / "other.toml").write_text(text, encoding="utf-8")
    assert [path.name for path in remove_model("small.int8")] == [card.file]
    assert (edge_home / "data" / "models" / side.name).is_file()


def test_without_its_emap_it_is_not_added(edge_home: Path, tmp_path: Path) -> None:
    model, side = _lifted(tmp_path / "out")
    given = _converted(tmp_path / "out", model, NAME)
    side.unlink()
    with pytest.raises(ModelError, match="holds no emap"):
        add_model(given)
    assert "small.int8" not in all_cards()
    assert not list((edge_home / "data" / "models").glob("small*"))


def test_a_baked_model_is_known_by_its_metadata(edge_home: Path, tmp_path: Path) -> None:
    model = onnx.load_from_string(families.model_bytes("mobilefaceswap_224"))
    model.metadata_props.add(key=BAKED_IN, value="ab" * 32)
    text = (cards_dir() / "mobilefaceswap_224.toml").read_text(encoding="utf-8")
    source = (cards_dir() / "uniface_256.toml").read_text(encoding="utf-8")
    source = source[source.index("[source]") : source.index("\n[crop]")]
    for old, new in {
        'name = "mobilefaceswap_224"': 'name = "mobile"',
        '[source]\nkind = "baked"\n': source,
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    folder = edge_home / "data" / "cards"
    folder.mkdir(parents=True)
    (folder / "mobile.toml").write_text(text, encoding="utf-8")
    card = add_model(_converted(tmp_path / "out", model, "mobile")).card
    assert card.source is not None
    assert (card.source.kind, card.source.picture) == ("baked", None)
    assert card.crop == find_card("mobilefaceswap_224").crop
    assert find_file(card) is not None


@pytest.mark.parametrize(
    "facts",
    [
        {"sha256": "0" * 64},
        {"schema": "somebody else's"},
        {"card": None},
        {"card": "no such card"},
        {"card": ["ghost_1_256"]},
    ],
    ids=str,
)
def test_a_record_of_another_file_says_nothing(
    tmp_path: Path, edge_home: Path, facts: dict[str, Any]
) -> None:
    model = onnx.load_from_string(families.model_bytes("ghost_1_256"))
    with pytest.raises(ModelError, match="no card means this file"):
        add_model(_converted(tmp_path, model, **{"card": "ghost_1_256", **facts}))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 9999, '{"sha256": 3}'])
def test_a_damaged_record_says_nothing(tmp_path: Path, edge_home: Path, text: str) -> None:
    model = onnx.load_from_string(families.model_bytes("ghost_1_256"))
    path = _converted(tmp_path, model, "ghost_1_256")
    path.with_name(path.name + ".json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="no card means this file"):
        add_model(path)


@pytest.mark.parametrize("card", ["hyperswap_1a_256", "scrfd_10g", "crossface_ghost"])
def test_a_record_that_names_another_kind_of_card_is_refused(
    tmp_path: Path, edge_home: Path, card: str
) -> None:
    model = onnx.load_from_string(families.model_bytes("ghost_1_256"))
    with pytest.raises(ModelError, match=f"does not fit card '{card}', which its record"):
        add_model(_converted(tmp_path, model, card))
    assert not (edge_home / "data" / "models").exists()
