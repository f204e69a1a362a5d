"""A model that is seen for the first time must answer with numbers that vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from edge import selftest
from edge.cards import Card, all_cards, find_card
from edge.errors import BackendError, ModelError
from edge.loading import open_card
from edge.machine import this_machine
from edge.ports import inputs_of
from tests import families, tiny

Arrays = list[NDArray[Any]]


@dataclass
class Fake:
    """A session that answers what a test wants."""

    answer: Callable[[Mapping[str, NDArray[Any]]], Arrays]
    inputs: tuple[str, ...] = ("target", "source")
    outputs: tuple[str, ...] = ("output", "mask")
    engine: str = "ort"
    engine_version: str = "1.0"
    provider: str = "CPUExecutionProvider"
    runs: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        self.runs.append(feeds)
        return self.answer(feeds)


def answers(picture: float | None = None, mask: float = 1.0) -> Fake:
    """Return a swapper that gives the target back, or one value everywhere."""

    def answer(feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        given = feeds["target"]
        shown = given if picture is None else np.full_like(given, picture)
        return [shown, np.full((1, 1, 128, 128), mask, np.float32)]

    return Fake(answer)


@pytest.fixture
def card(edge_home: Path) -> Card:
    tiny.install(edge_home)
    return find_card("tiny_swapper")


def test_a_sound_model_is_tried_once(card: Card) -> None:
    session = answers()
    selftest.check_model(card, session)
    selftest.check_model(card, session)
    (feeds,) = session.runs
    assert feeds["target"].shape == (1, 3, 128, 128)
    assert np.linalg.norm(feeds["source"]) == pytest.approx(1)


@pytest.mark.parametrize("what", ["engine_version", "provider", "engine"])
def test_another_engine_tries_it_again(card: Card, what: str) -> None:
    selftest.check_model(card, answers())
    other = answers()
    setattr(other, what, "other")
    selftest.check_model(card, other)
    assert len(other.runs) == 1


def test_another_file_and_another_machine_try_it_again(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    selftest.check_model(card, answers())
    session = answers()
    selftest.check_model(replace(card, sha256="0" * 64), session)
    machine = replace(this_machine(), processor="another")
    monkeypatch.setattr(selftest, "this_machine", lambda: machine)
    selftest.check_model(card, session)
    assert len(session.runs) == 2


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (answers(picture=0.0), "one value everywhere"),
        (answers(picture=0.7), "one value everywhere"),
        (answers(picture=float("nan")), "'output' holds values that are no numbers"),
        (answers(mask=float("inf")), "'mask' holds values that are no numbers"),
    ],
)
def test_black_squares_and_no_numbers_are_errors_each_time(
    card: Card, session: Fake, words: str
) -> None:
    for _ in range(2):
        with pytest.raises(BackendError, match=words) as caught:
            selftest.check_model(card, session)
    assert "\n" not in str(caught.value)
    assert "CPUExecutionProvider (ort 1.0)" in str(caught.value)
    assert len(session.runs) == 2


def test_an_empty_mask_is_none_of_its_business(card: Card) -> None:
    selftest.try_model(card, answers(mask=0.0))


@pytest.mark.parametrize("change", [{"inputs": ("picture", "source")}, {"outputs": ("output",)}])
def test_other_names_do_not_fit_the_card(card: Card, change: dict[str, Any]) -> None:
    session = answers()
    for key, value in change.items():
        setattr(session, key, value)
    with pytest.raises(ModelError, match="does not fit its card"):
        selftest.try_model(card, session)
    assert not session.runs


@pytest.mark.parametrize("text", ["", "{", "{}", "[3]", "\xff"])
def test_a_damaged_cache_is_an_empty_one(card: Card, edge_home: Path, text: str) -> None:
    cache = edge_home / "cache" / "self-tests.json"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(text, encoding="latin-1")
    session = answers()
    selftest.check_model(card, session)
    selftest.check_model(card, session)
    assert len(session.runs) == 1


def test_a_cache_that_cannot_be_written_is_no_error(card: Card, edge_home: Path) -> None:
    (edge_home / "cache").write_text("a file where the folder would be", encoding="utf-8")
    session = answers()
    selftest.check_model(card, session)
    selftest.check_model(card, session)
    assert len(session.runs) == 2


@pytest.mark.parametrize("name", ["tiny_detector", "tiny_embedder", "tiny_swapper"])
def test_opening_a_model_tries_it(card: Card, edge_home: Path, name: str) -> None:
    cache = edge_home / "cache" / "self-tests.json"
    open_card(name, find_card(name).kind, threads=1)
    assert cache.is_file()


def test_a_model_that_fails_is_not_opened(edge_home: Path) -> None:
    nodes = [helper.make_node("Mul", ["input", "zero"], ["black"])]
    nodes.append(helper.make_node("AveragePool", ["black"], ["p"], kernel_shape=[112, 1]))
    nodes.append(helper.make_node("Reshape", ["p", "flat"], ["row"]))
    nodes.append(helper.make_node("Tile", ["row", "twice"], ["long"]))
    nodes.append(helper.make_node("Slice", ["long", "from", "to", "axis"], ["embedding"]))
    constants = [
        tiny._constant("zero", 0.0),
        tiny._constant("flat", [1, -1], np.int64),
        tiny._constant("twice", [1, 2], np.int64),
        tiny._constant("from", [0], np.int64),
        tiny._constant("to", [512], np.int64),
        tiny._constant("axis", [1], np.int64),
    ]
    shapes = (tiny._value("input", (1, 3, 112, 112)), tiny._value("embedding", (1, 512)))
    data = tiny.model_bytes(nodes, [shapes[0]], [shapes[1]], constants)
    tiny.install_one(edge_home, "black", "recogniser", tiny.RECOGNISER, data)
    with pytest.raises(BackendError, match="model black: its self-test failed on CPU"):
        open_card("black", "recogniser", threads=1)


@pytest.mark.parametrize("name", sorted(families.BUILDERS))
def test_every_family_passes(edge_home: Path, name: str) -> None:
    families.install(edge_home, name)
    open_card(name, find_card(name).kind, threads=1)


def test_every_card_says_what_goes_in() -> None:
    for card in all_cards().values():
        assert all(each.shape is not None for each in inputs_of(card)), card.name
        for each in inputs_of(card):
            assert selftest._made_up(each).shape[1:] == tuple(
                side or 256 for side in (each.shape or ())[1:]
            )


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        (np.zeros((1, 3, 128, 128), bool), r"bool \[1, 3, 128, 128\]"),
        (np.zeros((1, 3, 128, 128), np.int64), "int64"),
        (np.full((1, 3, 128, 128), "1.5", object), "object"),
        (np.zeros((1, 3, 0, 128), np.float32), r"float32 \[1, 3, 0, 128\]"),
        ([np.zeros((1, 1, 128, 128), np.float32)] * 3, "list"),
    ],
)
def test_an_output_without_numbers_does_not_fit_the_card(
    picture: Any, what: str, card: Card
) -> None:
    mask = np.ones((1, 1, 128, 128), np.float32)
    with pytest.raises(ModelError, match=f"output 'output' is {what}.*, which nothing can be made"):
        selftest.try_model(card, Fake(lambda feeds: [picture, mask]))


def test_a_mask_of_truth_values_is_one(card: Card) -> None:
    mask = np.ones((1, 1, 128, 128), bool)
    selftest.try_model(card, Fake(lambda feeds: [feeds["target"], mask]))


def test_a_recogniser_of_truth_values_is_flat_or_not(edge_home: Path) -> None:
    tiny.install(edge_home)
    numbers = np.zeros((1, 512), bool)
    session = Fake(lambda feeds: [numbers], ("input",), ("embedding",))
    with pytest.raises(BackendError, match="one value everywhere"):
        selftest.try_model(find_card("tiny_embedder"), session)
    numbers[0, 3] = True
    selftest.try_model(find_card("tiny_embedder"), session)
