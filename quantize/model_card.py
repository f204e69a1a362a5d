"""The card of a model: the one that was named, or the one that means this very file."""

from __future__ import annotations

from pathlib import Path

from edge.cards import all_cards, find_card, load_card
from edge.contracts import Card
from edge.errors import CardError
from quantize.modelfile import ModelFile

__all__ = ["find_model_card"]


def find_model_card(given: Path | str | None, file: ModelFile) -> tuple[Card | None, str]:
    """Return a model's card, and a note where it was found or does not quite fit.

    Args:
        given: a TOML file, or the name of a card; None looks for the one that means this file.
        file: the model.

    Raises:
        CardError: no such card, or it is malformed.
    """
    if given is None:
        for card in all_cards().values():
            if card.sha256 == file.sha256:
                return card, f"card {card.name}, found by the file's SHA-256"
        return None, ""
    if isinstance(given, Path) or Path(given).suffix == ".toml":
        card = load_card(Path(given))
    else:
        try:
            card = find_card(given)
        except CardError as error:
            raise CardError(f"{error}; or give the path of a .toml file") from error
    if not card.sha256:
        return card, f"card {card.name} states no SHA-256, so nothing says that it means this file"
    same = card.sha256 == file.sha256
    return card, "" if same else f"card {card.name} states the SHA-256 of another file"
