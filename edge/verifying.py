"""Read model files anew and compare them with their cards; remove those that are the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.cards import Card, all_cards, find_card
from edge.errors import ModelError
from edge.recorded import forget, noted_gates, recorded_names
from edge.registry import find_file, own_models_dir, sha256_of

State = Literal["right", "differs", "unknown", "missing", "unread"]


@dataclass(frozen=True, slots=True)
class Verified:
    """How a model's file is.

    Attributes:
        name: Card name.
        path: The file; empty where there is none.
        state: right: the file that the card means; differs: another one; unknown: no hash of it is
            known; missing: not here; unread: it cannot be read.
        sha256: Hex digest of the file; empty where it was not read.
    """

    name: str
    path: str
    state: State
    sha256: str = ""

    @property
    def sound(self) -> bool:
        """Whether the file is the right one."""
        return self.state == "right"


def verify_models(names: Sequence[str] = ()) -> list[Verified]:
    """Read model files in full and compare their hashes, whatever was remembered of them.

    Args:
        names: Cards; all whose files are here by default.

    Raises:
        CardError: No such card, or one is malformed.
    """
    if names:
        return [_verified(find_card(name)) for name in names]
    return [_verified(card) for card in all_cards().values() if find_file(card) is not None]


def _verified(card: Card) -> Verified:
    path = find_file(card)
    if path is None:
        return Verified(card.name, "", "missing")
    try:
        digest = sha256_of(path)
    except OSError:
        return Verified(card.name, str(path), "unread")
    if not card.sha256:
        return Verified(card.name, str(path), "unknown", digest)
    state: State = "right" if digest == card.sha256 else "differs"
    return Verified(card.name, str(path), state, digest)


def remove_model(name: str) -> list[Path]:
    """Delete a model's file from the user's own models, and what was recorded of it.

    Args:
        name: Card name; of a gate that was installed, also where its card has gone.

    Returns:
        What was deleted.

    Raises:
        CardError: No such card.
        ModelError: There is nothing of it in the user's own models, or it cannot be deleted.
    """
    if name in noted_gates() and name not in all_cards():
        forget(name)
        return []
    card = find_card(name)
    folder = own_models_dir()
    own = [folder / card.file, *folder.glob(f".{_plain(card.file[:100])}.*.part")]
    others = [each for each in all_cards().values() if each.name != card.name]
    shared = [each.name for each in others if each.file == card.file and each.sha256 == card.sha256]
    if shared and own[0].is_file():
        raise ModelError(f"{own[0]}: is the file of card '{shared[0]}' too: not removed")
    own += [folder / emap for emap in _emaps(card) - {e for each in others for e in _emaps(each)}]
    removed = [path for path in own if path.is_file()]
    recorded = card.name in recorded_names()
    if not removed and not recorded:
        found = find_file(card)
        where = f"it lies in {found.parent}, which is not yours" if found else "it is not here"
        raise ModelError(f"model {card.name}: nothing to remove in {folder}: {where}")
    for path in removed:
        try:
            path.unlink()
        except OSError as error:
            raise ModelError(f"{path}: cannot be removed: {error.strerror}") from error
    forget(card.name)
    return removed


def _emaps(card: Card) -> set[str]:
    """Return the name of the file that holds a card's emap, if it has one of its own."""
    emap = "" if card.source is None else card.source.emap
    return {emap} if emap.endswith(".npy") else set()


def _plain(name: str) -> str:
    """Return a file name as a pattern that means it alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
