"""Cards: one TOML file per model that states its contract; here it becomes a frozen record.

A card is checked strictly: an unknown key is a typing error, and a contract that is half wrong
shows as wrong pictures later.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from edge import recorded, resources
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
    DetectorSpec,
    EmbeddingSpec,
    Kind,
    LandmarksSpec,
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

__all__ = ["Card", "Kind", "all_cards", "card_names", "find_card", "load_card"]

DECODERS = ("points", "yunet")
PRECISIONS = ("fp32", "fp16", "int8", "w8")
COMMERCIAL = ("yes", "no", "unknown")

_WITHOUT_CROP = ("converter", "detector")
_MAX_CARD_BYTES = 64 * 1024
_MOST_LOOKS = 4
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
    )
    table.end()
    if spec.scale <= 0 or min(spec.std) <= 0:
        raise table.error("'scale' and 'std' must be above zero")
    return spec


def _detector(table: Table) -> DetectorSpec:
    spec = DetectorSpec(
        decoder=table.choice("decoder", DECODERS),
        strides=table.wholes("strides", low=1),
        score_threshold=table.share("score_threshold"),
        nms_iou=table.share("nms_iou"),
        vote_iou=table.share("vote_iou", default=0.0),
        landmarker=read_name(table, "landmarker", default=""),
    )
    table.end()
    return spec


def _landmarks(table: Table) -> LandmarksSpec:
    looks = table.whole("looks", low=1, default=1)
    if looks > _MOST_LOOKS:
        raise table.error(f"'looks' must be {_MOST_LOOKS} at most, not {looks}")
    spec = LandmarksSpec(name=table.text("name"), looks=looks)
    table.end()
    return spec


def _embedding(table: Table) -> EmbeddingSpec:
    spec = EmbeddingSpec(
        name=table.text("name"),
        length=table.whole("length"),
        normalised=table.switch("normalised"),
        # Between strangers (about 0) and one person across pose and light; a card that has been
        # measured states its own.
        match_threshold=table.share("match_threshold", default=0.35),
    )
    table.end()
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
        input=_input(top.table("input")) if kind != "converter" else NO_PICTURE,
        detector=_detector(top.table("detector")) if kind == "detector" else None,
        landmarks=_landmarks(top.table("output")) if kind == "landmarker" else None,
        embedding=_embedding(top.table("output")) if kind == "recogniser" else None,
        picture=read_picture(top.table("output")) if kind == "swapper" else None,
        source=read_source(top.table("source"), _input) if kind == "swapper" else None,
        crop=read_crop(top.table("crop")) if kind not in _WITHOUT_CROP else None,
        converter=read_converter(top.table("converter")) if kind == "converter" else None,
    )
    top.end()
    if record.crop is not None and record.input.shape[2:] != (record.crop.size,) * 2:
        raise top.error(
            f"[crop] size {record.crop.size} does not fit the input's {list(record.input.shape)}"
        )
    return record


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
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"card {path.name}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
        raise CardError(f"card {path.name}: not valid TOML: {error}") from error
    try:
        return _parse(path.name, values)
    except ValueError as error:  # a number of so many digits that no message can show it
        raise CardError(f"card {path.name}: {error}") from error


def _card_files() -> list[Path]:
    folders = (resources.cards_dir(), resources.data_dir() / "cards")
    return [path for folder in folders for path in sorted(folder.glob("*.toml"))]


def all_cards() -> dict[str, Card]:
    """Return every card, shipped and the user's own, by name and sorted by name.

    A card that states no hash has the one that was recorded when its file was added, if any.

    Raises:
        CardError: A card is malformed, or two have one name.
    """
    found: dict[str, tuple[Card, Path]] = {}
    for path in _card_files():
        card = load_card(path)
        if card.name in found:
            other = found[card.name][1]
            raise CardError(f"two cards are named '{card.name}': {other} and {path}; rename one")
        found[card.name] = (card, path)
    return recorded.complete({name: found[name][0] for name in sorted(found)})


def card_names() -> list[str]:
    """Return the names of all cards, sorted."""
    return list(all_cards())


def find_card(name: str, kind: Kind | None = None) -> Card:
    """Return the card named `name`.

    Args:
        name: Card name.
        kind: What it must be; anything by default.

    Raises:
        CardError: No such card, or of another kind, or a card is malformed.
    """
    cards = all_cards()
    if name not in cards:
        known = ", ".join(n for n, card in cards.items() if kind in (None, card.kind))
        raise CardError(f"no model '{name}'; known: {known or 'none'}")
    card = cards[name]
    if kind is not None and card.kind != kind:
        raise CardError(f"model '{name}' is a {card.kind}, but a {kind} is needed here")
    return card
