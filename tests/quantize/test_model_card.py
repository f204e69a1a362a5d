"""The card of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import CardError
from quantize.model_card import find_model_card
from quantize.modelfile import ModelFile, load_model
from tests import tiny
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import reference_like


@pytest.fixture
def known(edge_home: Path) -> ModelFile:
    """A model that a card of this user means."""
    tiny.install(edge_home)
    return load_model(edge_home / "data" / "models" / "tiny_swapper.onnx")


def test_the_card_that_means_this_very_file(known: ModelFile) -> None:
    card, note = find_model_card(None, known)
    assert card is not None
    assert card.name == "tiny_swapper"
    assert "found by the file's SHA-256" in note


def test_a_file_that_no_card_means(known: ModelFile, tmp_path: Path) -> None:
    other = load_model(save(reference_like(), tmp_path / "m.onnx"))
    assert find_model_card(None, other) == (None, "")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_card_by_its_file(kind: type, known: ModelFile, tmp_path: Path) -> None:
    model = save(reference_like(), tmp_path / "m.onnx")
    path = write_card(tmp_path / "m.toml", model)
    card, note = find_model_card(kind(path), load_model(model))
    assert card is not None
    assert (card.name, note) == ("tiny_graph", "")
    _, other = find_model_card(kind(path), known)
    assert other == "card tiny_graph states the SHA-256 of another file"


def test_a_card_by_its_name(known: ModelFile) -> None:
    card, note = find_model_card("tiny_swapper", known)
    assert card is not None
    assert (card.sha256, note) == (known.sha256, "")
    with pytest.raises(CardError, match=r"no model 'nothing'; known: .*; or give the path of a"):
        find_model_card("nothing", known)


def test_a_card_that_is_not_there(known: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"card absent\.toml: cannot be read"):
        find_model_card(tmp_path / "absent.toml", known)


def test_a_card_that_states_no_hash(known: ModelFile) -> None:
    card, note = find_model_card("ghost_1_256", known)
    assert card is not None
    assert note.startswith("card ghost_1_256 states no SHA-256")
