from __future__ import annotations

from pathlib import Path

import pytest

from edge import cards
from edge.cards import all_cards, broken_cards, card_names, find_card, load_card
from edge.errors import CardError
from edge.faces.align import TEMPLATES
from edge.resources import cards_dir
from tests import tiny

SHIPPED = sorted(cards_dir().glob("*.toml"))

SOUND = {
    "detector": tiny.card_text("some", "detector", tiny.DETECTOR, b"x"),
    "recogniser": tiny.card_text("some", "recogniser", tiny.RECOGNISER, b"x"),
    "swapper": tiny.card_text("some", "swapper", tiny.SWAPPER, b"x"),
}


def _load(folder: Path, text: str) -> str:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return load_card(path).name


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_card_is_sound_and_named_as_its_file(path: Path) -> None:
    card = load_card(path)
    assert card.name == path.stem
    assert card.crop is None or str(card.crop.template) in TEMPLATES


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_a_sound_card_is_read(kind: str, tmp_path: Path) -> None:
    assert _load(tmp_path, SOUND[kind]) == "some"


def test_a_swappers_contract_arrives_whole(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text(SOUND["swapper"], encoding="utf-8")
    card = load_card(tmp_path / "some.toml")
    assert card.source is not None
    assert card.picture is not None
    assert card.crop is not None
    assert (card.source.name, card.source.recogniser) == ("source", "tiny_embedder")
    assert (card.source.normalise, card.source.length) == (True, 512)
    assert (card.picture.name, card.picture.mask) == ("output", "mask")
    assert (card.crop.template, card.crop.size) == ("arcface_128", 128)
    assert card.precision == "fp32"
    assert card.detector is None


BROKEN = {
    "too many digits": ("detector", "size = 1", "size = " + "9" * 5000, "not valid TOML"),
    "too many hex digits": (
        "recogniser",
        "shape = [1, 3, 112, 112]",
        f"shape = [1, 3, 0x{'f' * 9000}, 112]",
        "card some.toml: ",
    ),
    "a number beyond all": ("detector", "nms_iou = 0.3", "nms_iou = 1" + "0" * 400, "too large"),
    "nested too deep": ("detector", "size = 1", "size = " + "[" * 9999, "not valid TOML"),
    "unknown key": ("detector", "size = 1", "size = 1\ncolour = 1", "unknown key 'colour'"),
    "unknown key in a table": ("detector", "nms_iou", "nms_iuo", "'nms_iou' is missing"),
    "extra key in a table": ("detector", "nms_iou", "nms = 1\nnms_iou", "unknown key 'nms'"),
    "wrong kind": ("detector", 'kind = "detector"', 'kind = "camera"', "must be one of"),
    "capital name": ("detector", 'name = "some"', 'name = "Some"', "lower-case"),
    "no title": ("detector", 'title = "A tiny detector for tests"', "", "'title' is missing"),
    "empty title": ("detector", '"A tiny detector for tests"', '" "', "must not be empty"),
    "folder in file": ("detector", '"some.onnx"', '"../some.onnx"', "without a folder"),
    "number as file": ("detector", '"some.onnx"', "3", "must be text"),
    "short hash": ("detector", 'sha256 = "', 'sha256 = "0', "64 lower-case hex"),
    "size zero": ("detector", "size = 1", "size = 0", "at least 1"),
    "size true": ("detector", "size = 1", "size = true", "whole number"),
    "precision": ("detector", "size = 1", 'size = 1\nprecision = "fp8"', "must be one of"),
    "commercial": ("detector", '"yes"', '"perhaps"', "must be one of yes, no, unknown"),
    "shape": ("detector", "[1, 3, 0, 0]", "[3, 64, 64]", "must be [1, 3, height, width]"),
    "shape of text": ("detector", "[1, 3, 0, 0]", '"any"', "must be a list"),
    "channels": ("detector", '"RGB"', '"GBR"', "must be one of RGB, BGR"),
    "two means": ("detector", "mean = [0.0, 0.0, 0.0]", "mean = [0.0, 0.0]", "3 numbers"),
    "std zero": ("detector", "std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", "above zero"),
    "mean nan": ("detector", "mean = [0.0,", "mean = [nan,", "must be a number"),
    "threshold": ("detector", "score_threshold = 0.5", "score_threshold = 5", "between 0 and 1"),
    "strides": ("detector", "[8, 16, 32]", "[]", "must not be empty"),
    "decoder": ("detector", '"points"', '"boxes"', "must be one of points, yunet"),
    "licence as text": ("detector", "[licence]", 'licence = "MIT"\n[other]', "must be a table"),
    "template": ("recogniser", '"arcface_112_v2"', '"arcface_9"', "no template 'arcface_9'"),
    "four points": (
        "recogniser",
        '"arcface_112_v2"',
        "[[0.3, 0.4], [0.7, 0.4], [0.4, 0.8], [0.6, 0.8]]",
        "must hold 5 points, not 4",
    ),
    "points of three": (
        "recogniser",
        '"arcface_112_v2"',
        f"[{', '.join(['[0.3, 0.4, 0.5]'] * 5)}]",
        "each of two numbers",
    ),
    "points of text": (
        "recogniser",
        '"arcface_112_v2"',
        "[[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.4, 0.8], [0.6, '']]",
        "must be a number",
    ),
    "points in pixels": (
        "recogniser",
        '"arcface_112_v2"',
        "[[38, 51], [73, 51], [56, 71], [41, 92], [70, 92]]",
        "five different points, in sides of the crop",
    ),
    "one point five times": (
        "recogniser",
        '"arcface_112_v2"',
        f"[{', '.join(['[0.5, 0.5]'] * 5)}]",
        "five different points",
    ),
    "shapes of weights": (
        "recogniser",
        "[input]",
        '[graph]\nweights = ["many"]\n\n[input]',
        "are written as '12 * 1024x1024x3x3'",
    ),
    "crop size": ("recogniser", "size = 112", "size = 128", "does not fit the input's"),
    "switch": ("recogniser", "normalised = true", 'normalised = "yes"', "true or false"),
    "range": ("swapper", "range = [0.0, 1.0]", "range = [1.0, 0.0]", "black below white"),
    "exact mask alone": ("swapper", "range =", "exact_mask = true\nrange =", "composited"),
    "source kind": ("swapper", 'kind = "embedding"', 'kind = "photo"', "must be one of"),
    "crop missing": ("swapper", "[crop]", "[corp]", "'crop' is missing"),
    "no toml": ("swapper", "[crop]", "[crop", "not valid TOML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_card_is_refused_in_words(case: str, tmp_path: Path) -> None:
    kind, old, new, words = BROKEN[case]
    assert old in SOUND[kind]
    with pytest.raises(CardError, match=r"card some\.toml: ") as caught:
        _load(tmp_path, SOUND[kind].replace(old, new, 1))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    with pytest.raises(CardError, match="cannot be read"):
        load_card(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CardError, match="not valid TOML"):
        load_card(path)
    path.write_bytes(b"#" * 70_000)
    with pytest.raises(CardError, match="larger than"):
        load_card(path)


def test_the_users_own_cards_are_found_beside_the_shipped_ones(edge_home: Path) -> None:
    tiny.install(edge_home)
    assert {"tiny_detector", "tiny_embedder", "tiny_swapper", "yunet"} <= set(card_names())
    assert list(all_cards()) == sorted(all_cards())
    assert find_card("tiny_swapper", "swapper").name == "tiny_swapper"


def test_two_cards_of_one_name_are_refused(edge_home: Path) -> None:
    tiny.install_one(edge_home, "one", "detector", tiny.DETECTOR, b"x")
    cards = edge_home / "data" / "cards"
    (cards / "two.toml").write_bytes((cards / "one.toml").read_bytes())
    with pytest.raises(CardError, match="two cards are named 'one'"):
        find_card("one")
    assert [bad.path for bad in broken_cards()] == [cards / "two.toml"]


@pytest.mark.parametrize(
    ("text", "may_be_gate"),
    [
        (b"kind = 3", False),
        (b"kind = [", False),
        (b"\xff\xfe", False),
        (b'kind = "gate"', True),
        (b'kind = "gate', True),
        (b"#" * 70_000, True),
    ],
)
def test_a_broken_card_of_the_user_stops_no_other_model(
    text: bytes, may_be_gate: bool, edge_home: Path
) -> None:
    tiny.install(edge_home)
    path = edge_home / "data/cards/odd.toml"
    path.write_bytes(text)
    assert find_card("tiny_swapper").name == "tiny_swapper"
    assert "odd" not in card_names()
    (bad,) = broken_cards()
    assert (bad.path, bad.name, bad.may_be_gate) == (path, "odd", may_be_gate)
    with pytest.raises(CardError, match=r"^card odd\.toml: "):
        find_card("odd")


def test_a_card_of_the_user_named_as_a_shipped_one_stands_for_neither(edge_home: Path) -> None:
    tiny.install(edge_home)
    text = (edge_home / "data/cards/tiny_swapper.toml").read_text(encoding="utf-8")
    own = edge_home / "data/cards/own.toml"
    own.write_text(text.replace('"tiny_swapper"', '"ref_swapper"', 1), encoding="utf-8")
    with pytest.raises(CardError, match="two cards are named 'ref_swapper'"):
        find_card("ref_swapper")
    assert find_card("tiny_swapper").name == "tiny_swapper"


def test_an_unknown_name_or_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match=r"no model 'nix'; known: .*tiny_detector"):
        find_card("nix")
    with pytest.raises(CardError, match="'tiny_embedder' is a recogniser, but a swapper"):
        find_card("tiny_embedder", "swapper")


def test_a_text_is_read_once_and_a_changed_one_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(SOUND["swapper"], encoding="utf-8")
    first = load_card(path)
    with monkeypatch.context() as patch:
        patch.setattr(cards, "_parse", lambda name, values: pytest.fail("read again"))
        assert load_card(path) is first
    path.write_text(path.read_text().replace(first.title, "Another title"))
    assert load_card(path).title == "Another title"
