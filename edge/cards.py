"""Cards: one TOML file per model that states its contract; here it becomes a frozen record.

A card is checked strictly: an unknown key is a typing error, and a contract that is half wrong
shows as wrong pictures later.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from edge import resources
from edge.errors import CardError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Kind = Literal["detector", "recogniser", "swapper"]

KINDS: tuple[Kind, ...] = ("detector", "recogniser", "swapper")
DECODERS = ("points", "yunet")
PRECISIONS = ("fp32", "fp16", "int8", "w8")
COMMERCIAL = ("yes", "no", "unknown")
CHANNELS = ("RGB", "BGR")

_MAX_CARD_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model.

    Attributes:
        name: Licence of the weights, an SPDX id where there is one.
        commercial: Whether commercial use is allowed: yes, no or unknown.
        training_data: What it was trained on, and on what terms.
    """

    name: str
    commercial: str
    training_data: str


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The picture that goes in: value = (uint8 * scale - mean) / std, per channel in its order.

    Attributes:
        name: Name of the graph input.
        shape: (1, 3, H, W); 0 where it is dynamic.
        channels: RGB or BGR.
        scale: Factor on the uint8 value.
        mean: Taken away after scaling.
        std: Divided by after that.
    """

    name: str
    shape: tuple[int, int, int, int]
    channels: str
    scale: float
    mean: Triple
    std: Triple


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """How a detector's outputs are read.

    Attributes:
        decoder: points (score_s, bbox_s, kps_s) or yunet (cls_s, obj_s, bbox_s, kps_s).
        strides: Pixels per cell of each output level.
        score_threshold: Faces below this score are dropped unless the caller says otherwise.
        nms_iou: Of two boxes that overlap by more than this, one is dropped.
    """

    decoder: str
    strides: tuple[int, ...]
    score_threshold: float
    nms_iou: float


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """What a recogniser gives.

    Attributes:
        name: Name of the graph output.
        length: Numbers in an embedding.
        normalised: Whether the graph gives unit vectors itself.
        match_threshold: Cosine from which two faces count as one person.
    """

    name: str
    length: int
    normalised: bool
    match_threshold: float


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """The picture a swapper gives.

    Attributes:
        name: Name of the graph output.
        range: Values that stand for black and for white.
        channels: RGB or BGR.
        mask: Name of the output with the blend mask in [0, 1], or empty where there is none.
    """

    name: str
    range: tuple[float, float]
    channels: str
    mask: str


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How a swapper is told who to show.

    Attributes:
        name: Name of the graph input.
        kind: embedding: the numbers of a recogniser.
        recogniser: Card name of that recogniser.
        normalise: Whether the embedding is brought to unit length first.
        length: Numbers in an embedding.
    """

    name: str
    kind: str
    recogniser: str
    normalise: bool
    length: int


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The aligned square a model sees: a template of `edge.faces.align` and a side in pixels."""

    template: str
    size: int


@dataclass(frozen=True, slots=True)
class Card:
    """One model's contract.

    Attributes:
        name: Lower-case name that commands and records use.
        kind: detector, recogniser or swapper.
        title: One line for people.
        file: File name of the model, without a folder.
        sha256: Hex digest of that file.
        size: Bytes of that file.
        precision: fp32, fp16, int8 or w8.
        home: Where the model comes from; empty for our own.
        licence: Terms.
        input: The picture that goes in.
        detector: For detectors.
        embedding: For recognisers.
        picture: For swappers.
        source: For swappers.
        crop: For recognisers and swappers.
    """

    name: str
    kind: Kind
    title: str
    file: str
    sha256: str
    size: int
    precision: str
    home: str
    licence: Licence
    input: TensorSpec
    detector: DetectorSpec | None = None
    embedding: EmbeddingSpec | None = None
    picture: PictureSpec | None = None
    source: SourceSpec | None = None
    crop: CropSpec | None = None


class _Table:
    """One table of a card; remembers what was asked for, so that the rest is unknown."""

    def __init__(self, card: str, where: str, values: Mapping[str, Any]) -> None:
        self._card = card
        self._where = where
        self._values = values
        self._asked: set[str] = set()

    def error(self, text: str) -> CardError:
        place = f"[{self._where}] " if self._where else ""
        return CardError(f"card {self._card}: {place}{text}")

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            raise self.error(f"'{key}' is missing")
        return default

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(f"'{key}' must be text, not {value!r}")
        if default is None and not value.strip():
            raise self.error(f"'{key}' must not be empty")
        return value

    def choice(self, key: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
        value = self.text(key, default=default)
        if value not in choices:
            raise self.error(f"'{key}' must be one of {', '.join(choices)}, not '{value}'")
        return value

    def whole(self, key: str, *, low: int = 1, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.error(f"'{key}' must be a whole number of at least {low}, not {value!r}")
        return value

    def number(self, key: str, *, default: float | None = None) -> float:
        return self._finite(key, self._get(key, default))

    def share(self, key: str, *, default: float | None = None) -> float:
        value = self.number(key, default=default)
        if not 0 <= value <= 1:
            raise self.error(f"'{key}' must lie between 0 and 1, not {value:g}")
        return value

    def switch(self, key: str) -> bool:
        value = self._get(key, None)
        if not isinstance(value, bool):
            raise self.error(f"'{key}' must be true or false, not {value!r}")
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        values = self._list(key)
        if len(values) != count:
            raise self.error(f"'{key}' must hold {count} numbers, not {len(values)}")
        return tuple(self._finite(key, value) for value in values)

    def wholes(self, key: str, *, low: int) -> tuple[int, ...]:
        values = self._list(key)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise self.error(f"'{key}' must hold whole numbers of at least {low}")
        if not values:
            raise self.error(f"'{key}' must not be empty")
        return tuple(values)

    def table(self, key: str) -> _Table:
        value = self._get(key, None)
        if not isinstance(value, dict):
            raise self.error(f"'{key}' must be a table, [{key}]")
        return _Table(self._card, key, value)

    def end(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            raise self.error(f"unknown key '{unknown[0]}'; known here: {known}")

    def _list(self, key: str) -> list[Any]:
        value = self._get(key, None)
        if not isinstance(value, list):
            raise self.error(f"'{key}' must be a list, not {value!r}")
        return value

    def _finite(self, key: str, value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise self.error(f"'{key}' must be a number, not {value!r}")
        return float(value)


def _licence(table: _Table) -> Licence:
    licence = Licence(
        name=table.text("name"),
        commercial=table.choice("commercial", COMMERCIAL),
        training_data=table.text("training_data"),
    )
    table.end()
    return licence


def _triple(table: _Table, key: str) -> Triple:
    first, second, third = table.numbers(key, 3)
    return first, second, third


def _input(table: _Table) -> TensorSpec:
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


def _detector(table: _Table) -> DetectorSpec:
    spec = DetectorSpec(
        decoder=table.choice("decoder", DECODERS),
        strides=table.wholes("strides", low=1),
        score_threshold=table.share("score_threshold"),
        nms_iou=table.share("nms_iou"),
    )
    table.end()
    return spec


def _embedding(table: _Table) -> EmbeddingSpec:
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


def _picture(table: _Table) -> PictureSpec:
    black, white = table.numbers("range", 2)
    if black >= white:
        raise table.error(f"'range' must be [black, white] with black below white, not {black:g}..")
    spec = PictureSpec(
        name=table.text("name"),
        range=(black, white),
        channels=table.choice("channels", CHANNELS),
        mask=table.text("mask", default=""),
    )
    table.end()
    return spec


def _source(table: _Table) -> SourceSpec:
    spec = SourceSpec(
        name=table.text("name"),
        kind=table.choice("kind", ("embedding",)),
        recogniser=_name(table, "recogniser"),
        normalise=table.switch("normalise"),
        length=table.whole("length", default=512),
    )
    table.end()
    return spec


def _crop(table: _Table) -> CropSpec:
    spec = CropSpec(template=table.text("template"), size=table.whole("size", low=16))
    table.end()
    return spec


def _name(table: _Table, key: str) -> str:
    name = table.text(key)
    if not _NAME.fullmatch(name):
        raise table.error(
            f"'{key}' must be lower-case letters, digits, '_', '-' or '.', not '{name}'"
        )
    return name


def _file_name(table: _Table) -> str:
    name = table.text("file")
    if name in {".", ".."} or any(mark in name for mark in ("/", "\\", "\0")):
        raise table.error(f"'file' must be a file name without a folder, not '{name}'")
    return name


def _parse(card: str, values: Mapping[str, Any]) -> Card:
    top = _Table(card, "", values)
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
        embedding=_embedding(top.table("output")) if kind == "recogniser" else None,
        picture=_picture(top.table("output")) if kind == "swapper" else None,
        source=_source(top.table("source")) if kind == "swapper" else None,
        crop=_crop(top.table("crop")) if kind != "detector" else None,
    )
    top.end()
    _check_crop(top, record)
    return record


def _check_crop(top: _Table, card: Card) -> None:
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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CardError(f"card {path.name}: not valid TOML: {error}") from error
    return _parse(path.name, values)


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
