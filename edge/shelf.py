"""Where models come from: what is installed on this device, or what a bundle holds.

A bundle is closed: its cards name its own files, and nothing that is installed beside it can take
their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.cards import all_cards, find_card
from edge.contracts import Card, Kind
from edge.registry import find_file, locate

__all__ = ["INSTALLED", "Shelf"]


class Shelf:
    """The models that are installed on this device: shipped ones and the user's own.

    `edge.bundle.opening.BundledModels` is the other kind.

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

    def file_of(self, card: Card) -> Path | None:
        """Return the file that a card names where it lies, unchecked; None where there is none."""
        return find_file(card)

    def locate(self, card: Card) -> Path:
        """Return the file that a card means, after checking that it is the right one.

        Raises:
            ModelError: It is missing, unreadable, or another file.
        """
        return locate(card)

    def check_in_force(self) -> None:
        """Check, before an output, that the models may still be used.

        Raises:
            BundleError: They are of a bundle that has expired.
        """


INSTALLED = Shelf()
"""What is installed on this device."""
