"""Where models come from: what is installed on this device, or what a bundle holds.

A bundle is closed: its cards name its own files, and nothing that is installed beside it can take
their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.cards import all_cards, find_card, pick
from edge.contracts import Card, Kind
from edge.errors import ModelError
from edge.registry import check_file, locate

__all__ = ["INSTALLED", "BundledModels", "Shelf"]


class Shelf:
    """The models that are installed on this device: shipped ones and the user's own.

    Attributes:
        bundle: Id of the bundle that the models are of; empty for installed ones.
    """

    bundle: str = ""

    def cards(self) -> Mapping[str, Card]:
        """Return every sound card, by name.

        Raises:
            CardError: A shipped one is malformed.
        """
        return all_cards()

    def find(self, name: str, kind: Kind | None = None) -> Card:
        """Return a card by its name.

        Raises:
            CardError: There is none, or it is of another kind or malformed.
        """
        return find_card(name, kind)

    def locate(self, card: Card) -> Path:
        """Return the file that a card means, after checking that it is the right one.

        Raises:
            ModelError: It is missing, unreadable, or another file.
        """
        return locate(card)


@dataclass(frozen=True, slots=True, eq=False)
class BundledModels(Shelf):
    """The models of a bundle.

    Attributes:
        folder: Where its model files lie.
        held: Its cards, by name.
        bundle: Its id.
    """

    folder: Path
    held: Mapping[str, Card] = field(repr=False)
    bundle: str = ""

    def cards(self) -> Mapping[str, Card]:
        """Return every card of the bundle, by name."""
        return self.held

    def find(self, name: str, kind: Kind | None = None) -> Card:
        """Return a card of the bundle by its name; see `Shelf.find`."""
        return pick(self.held, name, kind)

    def locate(self, card: Card) -> Path:
        """Return the bundle's file that a card means; see `Shelf.locate`."""
        path = self.folder / card.file
        if not path.is_file():
            raise ModelError(f"model {card.name}: the bundle holds no file {card.file}")
        return check_file(card, path)


INSTALLED = Shelf()
"""What is installed on this device."""
