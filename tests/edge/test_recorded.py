from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from edge import recorded
from edge.cards import all_cards, find_card
from edge.consent.storage import changing
from edge.errors import ModelError
from edge.registry import add_file, locate
from tests import families

NAME = "hififace_unofficial_256"


def test_a_recorded_hash_completes_the_card_and_can_be_forgotten() -> None:
    assert find_card(NAME).sha256 == ""
    recorded.record(NAME, "a" * 64, 7)
    assert (find_card(NAME).sha256, find_card(NAME).size) == ("a" * 64, 7)
    recorded.record("other", "b" * 64, 8)
    assert find_card(NAME).sha256 == "a" * 64
    recorded.forget(NAME)
    recorded.forget(NAME)
    assert find_card(NAME).sha256 == ""


def test_a_hash_on_the_card_is_never_replaced() -> None:
    before = find_card("ref_swapper").sha256
    recorded.record("ref_swapper", "a" * 64, 7)
    assert find_card("ref_swapper").sha256 == before


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"a": 1}', '{"a": {"sha256": "x", "size": 3}}', '{"a": {"size": true}}'],
)
def test_damaged_records_open_no_model_and_are_not_written_over(text: str) -> None:
    path = recorded.record_path()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert find_card(NAME).sha256 == ""
    assert find_card("ref_swapper").sha256
    with pytest.raises(ModelError, match="damaged, so no recorded hash can be trusted"):
        recorded.record(NAME, "a" * 64, 7)
    assert path.read_text(encoding="utf-8") == text


def test_a_file_is_recorded_when_it_is_added_and_checked_from_then_on(tmp_path: Path) -> None:
    name = "crossface_ghost"
    data = b"\0" * find_card(name).size
    given = tmp_path / "download.onnx"
    given.write_bytes(data)
    card, path = add_file(given, name)
    assert card.sha256
    assert path == locate(find_card(name))
    given.write_bytes(b"\1" + data[1:])
    with pytest.raises(ModelError, match="not the file that card 'crossface_ghost' means"):
        add_file(given, name)
    path.write_bytes(b"\1" + data[1:])
    with pytest.raises(ModelError, match="has SHA-256"):
        locate(find_card(name))


def test_a_file_of_another_size_than_the_card_states_is_not_recorded(tmp_path: Path) -> None:
    given = tmp_path / "some.onnx"
    given.write_bytes(b"12345")
    with pytest.raises(ModelError, match="it has 5 bytes, the card says 554253681"):
        add_file(given, "inswapper_128")


def test_a_file_without_a_known_hash_is_not_opened(edge_home: Path) -> None:
    path = families.install(edge_home, NAME)
    recorded.forget(NAME)
    with pytest.raises(ModelError, match=f"record it with edge models add {path} --card {NAME}"):
        locate(find_card(NAME))


def test_models_that_are_shipped_state_their_hash() -> None:
    from edge.resources import weights_dir

    for card in all_cards().values():
        if (weights_dir() / card.file).is_file():
            assert card.sha256, card.name


def _note_many(who: str) -> None:
    for number in range(12):
        recorded.note_gate(f"{who}_{number}", "a" * 64, 5)


def test_two_processes_lose_nothing_of_each_other() -> None:
    """A gate whose note is lost is one that nobody misses when its file goes."""
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_note_many, args=(who,)) for who in ("one", "two")]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert len(recorded.noted_gates()) == 24
    recorded.forget("one_3")
    assert "one_3" not in recorded.noted_gates()


def test_records_that_are_being_changed_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came in before this process had the records for itself stays."""

    def late(path: Path) -> object:
        monkeypatch.setattr(recorded, "changing", changing)
        recorded.record("meanwhile", "b" * 64, 8)
        return changing(path)

    monkeypatch.setattr(recorded, "changing", late)
    recorded.record("mine", "a" * 64, 7)
    assert recorded.recorded_names() == {"meanwhile", "mine"}
    monkeypatch.setattr(recorded, "changing", late)
    recorded.forget("mine")
    assert recorded.recorded_names() == {"meanwhile"}
