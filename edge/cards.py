"""Cards: one TOML file per model that states its contract; here it becomes a frozen record.

A card is checked strictly: an unknown key is a typing error, and a contract that is half wrong
shows as wrong pictures later.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from edge import recorded, resources
from edge.cards_faces import read_detector, read_embedding, read_landmarks, read_mask
from edge.cards_gate import read_gate, read_graph, read_url
from edge.cards_swap import (
    CHANNELS,
    read_converter,
    read_crop,
    read_file_name,
    read_name,
    read_picture,
    read_source,
)
from edge.contracts import (
    KINDS,
    NO_PICTURE,
    Card,
    Kind,
    Licence,
    TensorSpec,
    Triple,
)
from edge.errors import CardError
from edge.tables import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BrokenCard",
    "Card",
    "Kind",
    "all_cards",
    "broken_cards",
    "card_file",
    "card_names",
    "find_card",
    "load_card",
    "pick",
]

PRECISIONS = ("fp32", "fp16", "int8", "w8")
COMMERCIAL = ("yes", "no", "unknown")
LAYOUTS = ("NCHW", "NHWC")

_WITHOUT_CROP = ("converter", "detector", "gate", "masker")
_MAX_CARD_BYTES = 64 * 1024
_MOST_KEPT = 256  # cards; of them some forty are shipped
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _licence(table: Table) -> Licence:
    licence = Licence(
        name=table.text("name"),
        commercial=table.choice("commercial", COMMERCIAL),
        training_data=table.text("training_data"),
    )
    table.end()
    return licence


def _triple(table: Table, key: str) -> Triple:
    first, second, third = table.numbers(key, 3)
    return first, second, third


def _input(table: Table) -> TensorSpec:
    shape = table.wholes("shape", low=0)
    if len(shape) != 4 or shape[:2] != (1, 3):
        raise table.error(f"'shape' must be [1, 3, height, width] (0 = dynamic), not {list(shape)}")
    spec = TensorSpec(
        name=table.text("name"),
        shape=(shape[0], shape[1], shape[2], shape[3]),
        channels=table.choice("channels", CHANNELS),
        scale=table.number("scale"),
        mean=_triple(table, "mean"),
        std=_triple(table, "std"),
        layout=table.choice("layout", LAYOUTS, default="NCHW"),
    )
    table.end()
    if spec.scale <= 0 or min(spec.std) <= 0:
        raise table.error("'scale' and 'std' must be above zero")
    return spec


def _parse(card: str, values: Mapping[str, Any]) -> Card:
    top = Table(f"card {card}", values, CardError)
    kind = top.choice("kind", KINDS)
    sha256 = top.text("sha256", default="")
    # What nobody here could establish stays empty: it is recorded when the file is added.
    size = top.whole("size", low=1 if sha256 else 0)
    if sha256 and not _SHA256.fullmatch(sha256):
        raise top.error("'sha256' must be 64 lower-case hex digits")
    record = Card(
        name=read_name(top, "name"),
        kind=cast(Kind, kind),
        title=top.text("title"),
        file=read_file_name(top, "file"),
        sha256=sha256,
        size=size,
        precision=top.choice("precision", PRECISIONS, default="fp32"),
        home=top.text("home", default=""),
        licence=_licence(top.table("licence")),
        input=_input(top.table("input")) if _takes_picture(kind, top) else NO_PICTURE,
        detector=read_detector(top.table("detector")) if kind == "detector" else None,
        landmarks=read_landmarks(top) if kind == "landmarker" else None,
        embedding=read_embedding(top.table("output")) if kind == "recogniser" else None,
        picture=read_picture(top.table("output")) if kind == "swapper" else None,
        source=read_source(top.table("source"), _input) if kind == "swapper" else None,
        crop=read_crop(top.table("crop")) if _sees_crop(kind, top) else None,
        converter=read_converter(top.table("converter")) if kind == "converter" else None,
        mask=read_mask(top.table("output")) if kind == "masker" else None,
        gate=read_gate(top.table("output")) if kind == "gate" else None,
        url=read_url(top, sha256),
        graph=read_graph(top.table("graph")) if top.has("graph") else None,
    )
    top.end()
    _check_sizes(record, top)
    return record


def _takes_picture(kind: str, top: Table) -> bool:
    return kind != "converter" and not (kind == "landmarker" and top.has("points"))


def _sees_crop(kind: str, top: Table) -> bool:
    shown_otherwise = kind == "landmarker" and (top.has("box") or top.has("points"))
    return kind not in _WITHOUT_CROP and not shown_otherwise


def _check_sizes(card: Card, top: Table) -> None:
    """Check that what a model is shown has the size of its input."""
    box = None if card.landmarks is None else card.landmarks.box
    for where, shown in (("crop", card.crop), ("box", box)):
        if shown is not None and card.input.shape[2:] != (shown.size, shown.size):
            raise top.error(
                f"[{where}] size {shown.size} does not fit the input's {list(card.input.shape)}"
            )
    if (card.mask is not None or card.gate is not None) and 0 in card.input.shape:
        raise top.error(f"[input] a {card.kind}'s 'shape' must be fixed")


def load_card(path: Path) -> Card:
    """Read and check one card.

    Args:
        path: TOML file.

    Returns:
        The card.

    Raises:
        CardError: Unreadable, not TOML, or breaking a rule; the message names card, key and rule.
    """
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise CardError(f"card {path.name}: larger than {_MAX_CARD_BYTES} bytes, so no card")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CardError(f"card {path.name}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8
        raise CardError(f"card {path.name}: not valid TOML: {error}") from error
    return _card_of(path.name, text)


@lru_cache(maxsize=_MOST_KEPT)
def _card_of(name: str, text: str) -> Card:
    """Return the card that a file's text holds.

    Whoever opens a few models looks through all cards again and again: what a text says stays.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: no TOML, too many digits
        raise CardError(f"card {name}: not valid TOML: {error}") from error
    try:
        return _parse(name, values)
    except ValueError as error:  # a number of so many digits that no message can show it
        raise CardError(f"card {name}: {error}") from error


@dataclass(frozen=True, slots=True)
class BrokenCard:
    """A card of the user's own that is left out, because nobody can tell what it means.

    Attributes:
        path: The file.
        name: The model's name: what the card says, or else what the file is called.
        reason: What is wrong, one line.
        may_be_gate: Whether it may be a content gate's; nothing is swapped beside such a card.
    """

    path: Path
    name: str
    reason: str
    may_be_gate: bool


def _card_files() -> list[Path]:
    return [*_shipped_files(), *_own_files()]


def _shipped_files() -> list[Path]:
    return sorted(resources.cards_dir().glob("*.toml"))


def _own_files() -> list[Path]:
    return sorted((resources.data_dir() / "cards").glob("*.toml"))


def _read_cards() -> tuple[dict[str, Card], list[BrokenCard]]:
    shipped = [(path, load_card(path)) for path in _shipped_files()]
    found = {card.name: (card, path) for path, card in shipped}
    broken: list[BrokenCard] = []
    for path in _own_files():
        try:
            card = load_card(path)
        except CardError as error:
            broken.append(BrokenCard(path, path.stem, str(error), _may_be_gate(path)))
            continue
        if card.name not in found:
            found[card.name] = (card, path)
            continue
        other, where = found[card.name]
        reason = f"two cards are named '{card.name}': {where} and {path}; rename one"
        gate = "gate" in (card.kind, other.kind)
        broken.append(BrokenCard(path, card.name, reason, gate))
    return {name: found[name][0] for name in sorted(found)}, broken


def _may_be_gate(path: Path) -> bool:
    """Return whether a card that cannot be read may say that it is a gate's."""
    try:
        text = path.read_bytes() if path.stat().st_size <= _MAX_CARD_BYTES else None
    except OSError:
        text = None
    return text is None or b"gate" in text.lower()


def broken_cards() -> list[BrokenCard]:
    """Return the user's own cards that cannot be used; one of them stops no other model.

    Raises:
        CardError: A shipped card is malformed.
    """
    return _read_cards()[1]


def all_cards() -> dict[str, Card]:
    """Return every card, shipped and the user's own, by name and sorted by name.

    A card that states no hash has the one that was recorded when its file was added, if any. Of
    the user's own the malformed ones are left out: `broken_cards` names them.

    Raises:
        CardError: A shipped card is malformed.
    """
    return recorded.complete(_read_cards()[0])


def card_names() -> list[str]:
    """Return the names of all cards, sorted."""
    return list(all_cards())


def find_card(name: str, kind: Kind | None = None) -> Card:
    """Return the card named `name`.

    Args:
        name: Card name.
        kind: What it must be; anything by default.

    Raises:
        CardError: No such card, or of another kind, or malformed, or two have this name.
    """
    cards, broken = _read_cards()
    _refuse_broken(broken, name)
    return pick(recorded.complete(cards), name, kind)


def _refuse_broken(broken: list[BrokenCard], name: str) -> None:
    for bad in broken:
        if bad.name == name:
            raise CardError(bad.reason)


def card_file(name: str) -> Path:
    """Return the TOML file of the card named `name`.

    Raises:
        CardError: There is no such card, or it is malformed, or two have this name.
    """
    cards, broken = _read_cards()
    _refuse_broken(broken, name)
    pick(cards, name)
    return next(path for path in _card_files() if _is_named(path, name))


def _is_named(path: Path, name: str) -> bool:
    try:
        return load_card(path).name == name
    except CardError:
        return False


def pick(cards: Mapping[str, Card], name: str, kind: Kind | None = None) -> Card:
    """Return the card named `name` among `cards`; see `find_card`."""
    if name not in cards:
        known = ", ".join(n for n, card in cards.items() if kind in (None, card.kind))
        raise CardError(f"no model '{name}'; known: {known or 'none'}")
    card = cards[name]
    if kind is not None and card.kind != kind:
        raise CardError(f"model '{name}' is a {card.kind}, but a {kind} is needed here")
    return card
