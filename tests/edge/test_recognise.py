"""Every card's model is recognised by its graph; what is like it is not mistaken for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from edge.backends._onnx_outline import Outline, Port
from edge.cards import Card, all_cards
from edge.contracts import GraphSpec
from edge.ports import inputs_of, outputs_of
from edge.recognise import Match, fits, likeliest, recognise


@pytest.fixture
def cards() -> dict[str, Card]:
    return all_cards()


def outline(card: Card, **changes: object) -> Outline:
    """Return what the graph of a card's own model looks like."""
    inputs = [Port(each.name.replace("#", "in"), "float32", each.shape) for each in inputs_of(card)]
    outputs = [
        Port(each.name.replace("#", "out"), "float32", each.shape) for each in outputs_of(card)
    ]
    graph = card.graph or GraphSpec()
    kind = {"fp16": "float16"}.get(card.precision, "float32")
    parameters = graph.parameters or max(card.size // 4, 1000)
    found = Outline(
        producer="pytorch",
        opset=11,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        operators=dict.fromkeys((*graph.operators, "Conv"), 3),
        parameters=parameters,
        kinds={kind: parameters},
        shapes={text.split(" * ")[1]: int(text.split(" * ")[0]) for text in graph.weights},
        fingerprint="0" * 64,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@cache
def _names() -> list[str]:
    return [name for name, card in all_cards().items() if not card.sha256]


def _found(cards: Mapping[str, Card], shape: Outline, size: int) -> tuple[Match, ...]:
    return recognise(shape, size, cards)


@pytest.mark.parametrize("name", _names())
def test_a_model_fits_its_own_card(cards: dict[str, Card], name: str) -> None:
    card = cards[name]
    matches = _found(cards, outline(card), card.size or 12345)
    assert name in [match.card.name for match in matches if not match.against]


@pytest.mark.parametrize("name", _names())
def test_it_is_recognised_where_that_is_sure(cards: dict[str, Card], name: str) -> None:
    card = cards[name]
    likely = likeliest(_found(cards, outline(card), card.size or 12345), card.file)
    sure = bool(card.size or (card.graph and card.graph.parameters))
    assert [match.card.name for match in likely] == ([name] if sure else [])


def test_files_that_differ_by_name_alone_are_asked_for(cards: dict[str, Card]) -> None:
    card = cards["hyperswap_1b_256"]
    matches = _found(cards, outline(card), card.size)
    names = [match.card.name for match in likeliest(matches, "download.bin")]
    assert sorted(names) == ["hyperswap_1a_256", "hyperswap_1b_256", "hyperswap_1c_256"]


def test_a_size_as_stated_decides(cards: dict[str, Card]) -> None:
    card = cards["inswapper_128"]
    matches = _found(cards, outline(card), card.size)
    assert [match.card.name for match in likeliest(matches, "x.onnx")] == ["inswapper_128"]


def test_a_file_that_was_saved_anew_is_not_taken_for_another_model(
    cards: dict[str, Card],
) -> None:
    """Its topology is ReSwapper's too, and the licences differ."""
    card = cards["inswapper_128"]
    likely = likeliest(_found(cards, outline(card), card.size + 1), "x.onnx")
    assert {match.card.name for match in likely} == {"inswapper_128", "reswapper_128"}


@pytest.mark.parametrize(
    ("change", "against"),
    [
        ({"parameters": 128_500_000 * 1.1}, "141350000"),
        ({"operators": {"Conv": 1}}, "no operator ConvTranspose"),
        ({"shapes": {"1024x1024x3x3": 2}}, "no 3 * 1024x1024x3x3 among its weights"),
        ({"kinds": {"float16": 200_000_000}}, "weights are fp16"),
    ],
)
def test_what_differs_speaks_against_a_card(
    cards: dict[str, Card], change: dict[str, object], against: str
) -> None:
    if "parameters" in change:
        change = {"parameters": int(128_500_000 * 1.1)}
    matches = _found(cards, outline(cards["ghost_1_256"], **change), 5)
    (own,) = [match for match in matches if match.card.name == "ghost_1_256"]
    assert against in " ".join(own.against)
    assert "ghost_1_256" not in [match.card.name for match in likeliest(matches, "x.onnx")]


def test_another_hash_speaks_against_a_card(cards: dict[str, Card]) -> None:
    card = replace(cards["ghost_1_256"], sha256="0" * 64, size=5)
    (match,) = recognise(outline(card), 5, {card.name: card})
    assert match.against == ("SHA-256 is another one",)
    assert likeliest([match], card.file) == ()


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([Port("picture", "float32", (1, 3, 128, 128))], None),
        ([Port("target", "float32", (1, 3, 128, 128))], None),
        (
            [Port("target", "float32", (1, 3, 256, 256)), Port("source", "float32", (1, 512))],
            None,
        ),
        (
            [
                Port("target", "float32", (1, 3, 128, 128)),
                Port("source", "float32", (1, 512)),
                Port("more", "float32", (1,)),
            ],
            None,
        ),
        (None, []),
        (None, [Port("output", "float32", (1, 3, 64, 64))]),
        (None, [Port("output", "float32", (3, 128, 128))]),
    ],
)
def test_other_names_and_shapes_do_not_fit(
    cards: dict[str, Card], inputs: list[Port] | None, outputs: list[Port] | None
) -> None:
    card = cards["inswapper_128"]
    own = outline(card)
    changed = replace(
        own,
        inputs=own.inputs if inputs is None else tuple(inputs),
        outputs=own.outputs if outputs is None else tuple(outputs),
    )
    assert fits(card, own)
    assert not fits(card, changed)


def test_a_dynamic_side_fits(cards: dict[str, Card]) -> None:
    card = cards["inswapper_128"]
    ports = (Port("target", "float32", (0, 3, 0, 0)), Port("source", "float32", (0, 512)))
    assert fits(card, outline(card, inputs=ports))
    assert fits(card, outline(card, outputs=(Port("output", "float32", None),)))
