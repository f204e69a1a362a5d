"""Add a model file: find out which card means it, check it, copy it, and record its hash.

A file whose hash a card states is added at once. One that the toolchain made has a record beside
it, which names the card that its own is written after, whatever its format. Of any other ONNX file
the graph is looked at. Where that leaves several cards, the user says which; where it leaves none,
a card is drafted from the graph, with blanks for what no graph tells.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from edge import resources
from edge.backends import installed_version, open_session
from edge.backends._onnx_contents import metadata_of
from edge.backends._onnx_outline import Outline, Port, outline_of
from edge.cards import Card, all_cards, broken_cards, find_card, load_card
from edge.consent.erase import register_derivative
from edge.draft import head_of, name_beside, write_card, write_draft, write_whole
from edge.emap import load_emap
from edge.errors import EdgeError, ModelError
from edge.follow import card_after, converted_from, fits_after, record_of
from edge.ports import inputs_of, outputs_of
from edge.recognise import Match, likeliest, matched, recognise
from edge.recorded import forget
from edge.registry import add_file, sha256_of
from edge.sources import BAKED_IN

_COMMITMENT = re.compile(r"[0-9a-f]{64}")
_BAKED_SOURCE = '[source]\nkind = "baked"\n'


@dataclass(frozen=True, slots=True)
class Added:
    """A model that was added.

    Attributes:
        card: Its card.
        path: Where its file is now.
        evidence: By what it was recognised.
        against: What is not as the card says, though the user named the card.
        unchecked: What could not be checked.
        recorded: Whether its hash was recorded: the card states none.
        after: Name of the card that its own was written after; empty where it had one.
    """

    card: Card
    path: Path
    evidence: tuple[str, ...]
    against: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    recorded: bool = False
    after: str = ""


def add_model(source: Path, name: str | None = None) -> Added:
    """Copy a model file into the user's own models, under the card that means it.

    Args:
        source: The file, under whatever name.
        name: Card that it is meant for; recognised by default.

    Raises:
        OutputError: It holds somebody's identity, and that cannot be noted.
        ModelError: The file cannot be read or copied, or no card means it (the message says where
            the drafted one is), or several may, or it does not fit the named one.
    """
    try:
        digest = sha256_of(source)
        size = source.stat().st_size
    except OSError as error:
        raise ModelError(f"{source}: cannot be read: {error.strerror}") from error
    cards = all_cards()
    if name is not None:
        found = _named(source, size, digest, find_card(name))
    else:
        same = [card for card in cards.values() if card.sha256 == digest]
        like = None if same else converted_from(source, digest)
        if like is not None:
            return _converted(source, digest, size, like)
        known = _known(_one_of(same, source)) if same else None
        found = known or _recognised(source, size, digest, cards)
    recorded = not found.card.sha256
    card, path = _added(source, found.card, digest)
    evidence = ("SHA-256",) if not recorded else ("names and shapes", *found.evidence)
    if recorded and found.card.file.endswith(".tflite"):
        evidence = ()
    unchecked = found.unchecked if recorded else ()
    return Added(card, path, evidence, found.against, unchecked, recorded)


def _added(source: Path, card: Card, digest: str) -> tuple[Card, Path]:
    """Copy a file, and make sure that it comes with the emap that its card asks for."""
    card, path = add_file(source, card.name, digest)
    try:
        load_emap(card, path)
    except ModelError:
        path.unlink(missing_ok=True)
        forget(card.name)
        raise
    held = metadata_of(path).get(BAKED_IN, "") if path.suffix == ".onnx" else _stated(card)
    if _COMMITMENT.fullmatch(held):
        register_derivative(held, path)  # it goes when the identity is erased
    return card, path


def _converted(source: Path, digest: str, size: int, like: Card) -> Added:
    """Add a file that the toolchain made, under a card after that of the model it was made from."""
    from edge.tune import ENGINES  # it stands on all the engines

    other = source.suffix != ".onnx" and source.suffix in ENGINES
    outline = _ports_in(source, ENGINES[source.suffix]) if other else outline_of(source)
    if not fits_after(like, outline):
        raise ModelError(
            f"{source}: does not fit card '{like.name}', which its record {source.name}.json names"
        )
    write = _write_card if other else write_card
    written = write(outline, source, digest, size, like=like)
    try:
        card, path = _added(source, load_card(written), digest)
    except EdgeError:
        written.unlink(missing_ok=True)
        raise
    return Added(card, path, ("the record of its conversion",), after=like.name)


def _stated(card: Card) -> str:
    """Return the commitment that a card states of who is in its model's weights."""
    return "" if card.source is None else card.source.identity


def _ports_in(source: Path, engines: tuple[str, ...]) -> Outline:
    """Return what an engine calls the inputs and outputs of a file whose graph is not read here."""
    engine = next((each for each in engines if installed_version(each)), engines[0])
    session = open_session(source, backend=engine, threads=1)
    inputs, outputs = (
        tuple(Port(name, "?", None) for name in names)
        for names in (session.inputs, session.outputs)
    )
    return Outline("", 0, inputs, outputs, {}, 0, {}, {}, "")


def _write_card(outline: Outline, source: Path, digest: str, size: int, *, like: Card) -> Path:
    """Write the card of a converted file that is no ONNX one; the rest is what its record says.

    Raises:
        ModelError: It cannot be written, or the card that it follows counts inputs or outputs,
            which this file may have in another order.
    """
    picture = like.picture
    source_name = "" if like.source is None else like.source.name
    counted = len(outline.inputs) > 1 and "#" in (like.input.name[:1], source_name[:1])
    if picture is not None and len(outline.outputs) > 1:
        counted |= picture.name.startswith("#") or picture.mask.startswith("#")
    if counted:
        raise ModelError(
            f"{source}: card '{like.name}' counts inputs or outputs, and this file may have them "
            f"in another order: write names into a copy of that card, with file, size and sha256 "
            f"{digest}, put it into {resources.data_dir() / 'cards'}, and add the file again"
        )
    record = record_of(source, digest) or {}
    name = _free_name(source)
    head = head_of(name, name, digest, size, str(record.get("precision")))
    body = card_after(like, outline, source)
    baked = record.get("baked")
    if isinstance(baked, dict):  # no other format has metadata to say whose identity it is
        whose = json.dumps(str(baked.get("identity")))
        body = body.replace(_BAKED_SOURCE, f"{_BAKED_SOURCE}identity = {whose}\n", 1)
    path = resources.data_dir() / "cards" / f"{name}.toml"
    write_whole(path, f"{head}{body}")
    return path


def _free_name(source: Path) -> str:
    """Return a name for a card and its file that no other card has, with the file's own suffix."""
    cards = all_cards()
    taken = {*cards, *(card.file for card in cards.values()), *(bad.name for bad in broken_cards())}
    return name_beside(taken, source, source.suffix)


def _one_of(same: list[Card], source: Path) -> Card:
    """Return the card that a file is meant for, of those that state its hash.

    Raises:
        ModelError: They keep it under different names, and its own is none of them.
    """
    named = [card for card in same if card.file == source.name] or same
    if len({card.file for card in named}) > 1:
        names = " or ".join(card.name for card in named)
        raise ModelError(
            f"{source}: several cards mean this file: say which with --card {named[0].name} "
            f"({names})"
        )
    return named[0]


def _known(card: Card) -> Match:
    return Match(card, (), (), ())


def _named(source: Path, size: int, digest: str, card: Card) -> Match:
    """Check a file against the card that the user named, as far as that can be done."""
    if card.sha256 == digest:
        return _known(card)
    if card.sha256 or card.size not in (0, size):
        _offer_draft(source, size, digest, card)
    if card.sha256 or not card.file.endswith(".onnx"):
        # The first is refused when it is added; no other file has a graph that is read here.
        return Match(card, (), (), ("names and shapes",))
    outline = outline_of(source)
    match = matched(card, outline, size)
    if match is None:
        raise ModelError(
            f"{source}: does not fit card '{card.name}': it has {_ports(outline)}, the card says "
            f"{_wanted(card)}"
        )
    return match


def _offer_draft(source: Path, size: int, digest: str, card: Card) -> None:
    """Draft a card for a file that is not the card's own, where it is of the same kind.

    Raises:
        ModelError: It is; the message says where the draft is.
    """
    try:
        outline = outline_of(source)
    except ModelError:
        return  # what is no model is refused when it is added
    match = matched(card, outline, size)
    if match is not None:
        draft = write_draft(outline, source, digest, size, like=card)
        raise ModelError(
            f"{source}: not the file that card '{card.name}' means ({'; '.join(match.against)}); "
            f"a card for it was drafted after that one: {draft}: check it, take '.draft' off its "
            "name, and add the file again"
        )


def _ports(outline: Outline) -> str:
    inputs = ", ".join(port.text for port in outline.inputs)
    outputs = ", ".join(port.text for port in outline.outputs)
    return f"inputs {inputs} and outputs {outputs}"


def _wanted(card: Card) -> str:
    inputs = ", ".join(f"{each.name} {list(each.shape or ())}" for each in inputs_of(card))
    outputs = ", ".join(each.name for each in outputs_of(card))
    return f"inputs {inputs} and outputs {outputs}"


def _recognised(source: Path, size: int, digest: str, cards: dict[str, Card]) -> Match:
    """Return the one card that a file is surely meant for, or say what to do."""
    unknown = f"{source}: no card means this file (SHA-256 {digest})"
    try:
        outline = outline_of(source)
    except ModelError as error:
        raise ModelError(
            f"{unknown}, and its graph cannot be read: give --card NAME, or write a card into the "
            f"cards folder first ({error})"
        ) from error
    matches = recognise(outline, size, cards)
    likely = likeliest(matches, source.name)
    if len(likely) == 1 and not likely[0].against:
        return likely[0]
    if len(likely) > 1:
        raise ModelError(f"{unknown} for certain; {_choice(likely, source.name)}")
    # A hash on the card means that file and no other: what is like it needs a card of its own.
    possible = [match for match in matches if not match.against]
    if possible:
        raise ModelError(
            f"{unknown} for certain; by its inputs and outputs {_choice(possible, source.name)}, "
            "if you know where it comes from"
        )
    draft = write_draft(outline, source, digest, size, like=likely[0].card if likely else None)
    raise ModelError(
        f"{unknown}; a card for it was drafted: {draft}: fill in its blanks, take '.draft' off its "
        "name, and add the file again"
    )


def _choice(matches: list[Match] | tuple[Match, ...], file: str) -> str:
    """Name the cards in question, first those that keep their files under this very name."""
    cards = sorted((match.card for match in matches), key=lambda card: card.file != file)
    names = [card.name for card in cards]
    return f"it may be {' or '.join(names)}: say which with --card {names[0]}"
