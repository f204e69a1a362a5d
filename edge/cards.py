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

from edge import resources
from edge.contracts import (
    KINDS,
    Card,
    CropSpec,
    DetectorSpec,
    EmbeddingSpec,
    Kind,
    LandmarksSpec,
    Licence,
    PictureSpec,
    SourceSpec,
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
CHANNELS = ("RGB", "BGR")

_MAX_CARD_BYTES = 64 * 1024
_MOST_LOOKS = 4
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
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
        landmarker=_name(table, "landmarker", default=""),
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


def _picture(table: Table) -> PictureSpec:
    black, white = table.numbers("range", 2)
    if black >= white:
        raise table.error(f"'range' must be [black, white] with black below white, not {black:g}..")
    spec = PictureSpec(
        name=table.text("name"),
        range=(black, white),
        channels=table.choice("channels", CHANNELS),
        mask=table.text("mask", default=""),
        composited=table.switch("composited", default=False),
    )
    table.end()
    return spec


def _source(table: Table) -> SourceSpec:
    spec = SourceSpec(
        name=table.text("name"),
        kind=table.choice("kind", ("embedding",)),
        recogniser=_name(table, "recogniser"),
        normalise=table.switch("normalise"),
        length=table.whole("length", default=512),
    )
    table.end()
    return spec


def _crop(table: Table) -> CropSpec:
    spec = CropSpec(template=table.text("template"), size=table.whole("size", low=16))
    table.end()
    return spec


def _name(table: Table, key: str, default: str | None = None) -> str:
    name = table.text(key, default=default)
    if name != default and not _NAME.fullmatch(name):
        raise table.error(
            f"'{key}' must be lower-case letters, digits, '_', '-' or '.', not '{name}'"
        )
    return name


def _file_name(table: Table) -> str:
    name = table.text("file")
    if name in {".", ".."} or any(mark in name for mark in ("/", "\\", "\0")):
        raise table.error(f"'file' must be a file name without a folder, not '{name}'")
    return name


def _parse(card: str, values: Mapping[str, Any]) -> Card:
    top = Table(f"card {card}", values, CardError)
    kind = top.choice("kind", KINDS)
    sha256 = top.text("sha256")
    if not _SHA256.fullmatch(sha256):
        raise top.error("'sha256' must be 64 lower-case hex digits")
    record = Card(
        name=_name(top, "name"),
        kind=cast(Kind, kind),
        title=top.text("title"),
        file=_file_name(top),
        sha256=sha256,
        size=top.whole("size"),
        precision=top.choice("precision", PRECISIONS, default="fp32"),
        home=top.text("home", default=""),
        licence=_licence(top.table("licence")),
        input=_input(top.table("input")),
        detector=_detector(top.table("detector")) if kind == "detector" else None,
        landmarks=_landmarks(top.table("output")) if kind == "landmarker" else None,
        embedding=_embedding(top.table("output")) if kind == "recogniser" else None,
        picture=_picture(top.table("output")) if kind == "swapper" else None,
        source=_source(top.table("source")) if kind == "swapper" else None,
        crop=_crop(top.table("crop")) if kind != "detector" else None,
    )
    top.end()
    _check_crop(top, record)
    return record


def _check_crop(top: Table, card: Card) -> None:
    if card.crop is None:
        return
    from edge.faces.templates import TEMPLATE_POINTS

    if card.crop.template not in TEMPLATE_POINTS:
        known = ", ".join(sorted(TEMPLATE_POINTS))
        raise top.error(f"[crop] no template '{card.crop.template}'; known: {known}")
    if card.input.shape[2:] != (card.crop.size, card.crop.size):
        raise top.error(
            f"[crop] size {card.crop.size} does not fit the input's {list(card.input.shape)}"
        )


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
    return {name: found[name][0] for name in sorted(found)}


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
