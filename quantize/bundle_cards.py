"""The cards of a bundle: those of its helpers as they are, and one for each converted model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from edge.cards import Card, all_cards, card_file, find_card, load_card
from edge.errors import CardError, UsageError
from edge.loading import named
from edge.registry import sha256_of
from quantize.errors import ContractError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["card_path", "card_text", "converted_card", "helper_names", "read_values"]

_OF_ITS_FILE = ("graph", "url")
"""What a card says of the file that was converted, and not of what was made of it."""


def read_values(card: Card, path: Path | None = None) -> dict[str, Any]:
    """Return a card's values as its file states them, with size and hash where they were recorded.

    Args:
        card: the card.
        path: its file; that of the installed card of this name by default.
    """
    file = card_file(card.name) if path is None else path
    values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return {**values, "sha256": card.sha256, "size": card.size}


def card_text(values: Mapping[str, Any]) -> str:
    """Return a card as TOML."""
    return tomli_w.dumps(dict(values))


def converted_card(
    values: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    names: tuple[list[str], list[str]],
    identity: str,
    emap: str,
) -> dict[str, Any]:
    """Return the values of the card of a converted model.

    Args:
        values: of the original's card.
        facts: of the conversion, as its JSON has them.
        names: of the original's inputs and outputs, for places like "#0".
        identity: commitment of whoever is baked in; empty where nobody is.
        emap: name of the side file with the emap; empty where there is none.
    """
    inputs, outputs = names
    made = {key: value for key, value in values.items() if key not in _OF_ITS_FILE}
    card = _parsed(values)
    made["name"] = f"{card.name}.{facts['precision']}.{facts['format']}"
    made["file"], made["sha256"], made["size"] = facts["file"], facts["sha256"], facts["size"]
    made["precision"] = facts["precision"]
    made["input"] = {**made["input"], "name": named(card, card.input.name, inputs)}
    if facts["format"] == "tflite":  # turned by its engine, whichever way its pictures lie
        made["input"].pop("layout", None)
    assert card.picture is not None
    assert card.source is not None
    made["output"] = {**made["output"], "name": named(card, card.picture.name, outputs)}
    if card.picture.mask:
        made["output"]["mask"] = named(card, card.picture.mask, outputs)
    if identity:
        made["source"] = {"kind": "baked", "identity": identity}
    elif card.source.kind != "baked":
        made["source"] = {**made["source"], **_source(card, inputs)}
        if emap:
            made["source"] |= {"emap": emap, "emap_sha256": facts["emap_sha256"]}
    _parsed(made)  # what cannot be read back is not written
    return made


def _source(card: Card, inputs: list[str]) -> dict[str, Any]:
    assert card.source is not None
    name = named(card, card.source.name, inputs)
    if card.source.picture is None:
        return {"name": name}
    raise ContractError(f"model {card.name} takes a picture of its source: bake it in")


def _parsed(values: Mapping[str, Any]) -> Card:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
        path = Path(folder) / "card.toml"
        path.write_text(card_text(values), encoding="utf-8")
        return load_card(path)


def helper_names(card: Card, detector: str, masks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the cards that a bundle needs beside the swap model's, files and all.

    Args:
        card: of the swap model as the bundle will hold it.
        detector: card name of the detector.
        masks: card names of the maskers.

    Raises:
        CardError: there is no such card.
    """
    finder = find_card(detector, "detector")
    assert finder.detector is not None
    landmarker = finder.detector.landmarker
    converter = card.source.converter if card.source is not None else ""
    for name in masks:
        find_card(name, "masker")
    found = (detector, landmarker, *masks, converter)
    return tuple(dict.fromkeys(name for name in found if name))


def recogniser_name(card: Card) -> str:
    """Return the recogniser whose embeddings a model takes; empty where it takes none.

    Raises:
        CardError: its card is missing.
    """
    if card.source is None or not card.source.recogniser:
        return ""
    found = find_card(card.source.recogniser, "recogniser")
    if not found.sha256:
        raise CardError(
            f"card {found.name}: its file was never added here, so the bundle could not tell its "
            "editions apart: edge models add FILE"
        )
    return found.name


def card_path(given: Path | str | None, model: Path) -> Path:
    """Return the file of a model's card: without one nobody knows what the model takes.

    Args:
        given: a file, or the name of a card; None looks for the one that means the model.
        model: the model's file.

    Raises:
        CardError: no card means the file.
        UsageError: there is no such file.
    """
    if given is not None:
        named = isinstance(given, str) and Path(given).suffix != ".toml"
        return card_file(str(given)) if named else Path(given)
    if not model.is_file():
        raise UsageError(f"{model}: no such file; check the path")
    digest = sha256_of(model)
    for card in all_cards().values():
        if card.sha256 == digest:
            return card_file(card.name)
    raise CardError(f"{model}: no card means this file; name its card with --card")
