from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge import registry
from edge.cards import Card, find_card
from edge.errors import CardError, ModelError
from tests import tiny

DATA = b"some model"


@pytest.fixture
def model(edge_home: Path) -> Path:
    return tiny.install_one(edge_home, "some", "detector", tiny.DETECTOR, DATA)


def _card() -> Card:
    return find_card("some")


def test_a_model_is_found_in_the_users_own_folder(model: Path) -> None:
    assert registry.locate(_card()) == model


def test_the_folder_of_the_environment_comes_first(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / model.name).write_bytes(DATA)
    monkeypatch.setenv("EDGE_MODELS_DIR", str(extra))
    assert registry.locate(_card()) == extra / model.name


def test_a_missing_model_says_where_it_was_looked_for_and_what_to_do(model: Path) -> None:
    model.unlink()
    with pytest.raises(ModelError, match=r"model some: file some.onnx not found in .*models add"):
        registry.locate(_card())


@pytest.mark.parametrize(("data", "words"), [(b"short", "has 5 bytes"), (b"same sizes", "SHA-256")])
def test_a_wrong_file_is_refused(model: Path, data: bytes, words: str) -> None:
    model.write_bytes(data)
    with pytest.raises(ModelError, match=words) as caught:
        registry.locate(_card())
    assert "\n" not in str(caught.value)


def test_a_change_after_the_first_use_is_noticed(model: Path) -> None:
    registry.locate(_card())
    model.write_bytes(b"same sizes")
    os.utime(model, ns=(1, 1))
    with pytest.raises(ModelError, match="SHA-256"):
        registry.locate(_card())


def test_the_digest_is_read_from_the_cache_the_second_time(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.locate(_card())

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(registry, "sha256_of", never)
    assert registry.locate(_card()) == model


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', "\xff"])
def test_a_damaged_cache_is_an_empty_one(model: Path, edge_home: Path, text: str) -> None:
    cache = edge_home / "cache" / "hashes.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(text, encoding="latin-1")
    assert registry.locate(_card()) == model
    assert str(model.resolve()) in json.loads(cache.read_text(encoding="utf-8"))


def test_a_cache_that_cannot_be_written_is_no_error(model: Path, edge_home: Path) -> None:
    (edge_home / "cache").write_text("a file where the folder would be", encoding="utf-8")
    assert registry.locate(_card()) == model


def test_a_file_is_added_by_its_hash(model: Path, tmp_path: Path) -> None:
    model.unlink()
    download = tmp_path / "download (1).bin"
    download.write_bytes(DATA)
    card, path = registry.add_file(download)
    assert (card.name, path) == ("some", model)
    assert model.read_bytes() == DATA
    assert [entry.name for entry in model.parent.iterdir()] == [model.name]


def test_a_file_that_no_card_means_is_not_added(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with pytest.raises(ModelError, match="no card means this file"):
        registry.add_file(other)
    with pytest.raises(ModelError, match="not the file that card 'some' means"):
        registry.add_file(other, "some")
    with pytest.raises(CardError, match="no model 'nix'"):
        registry.add_file(other, "nix")
    with pytest.raises(ModelError, match="cannot be read"):
        registry.add_file(tmp_path / "missing.onnx")
