"""Recognise a model file by its graph: which cards could mean it, and what speaks for each.

Names, shapes and the number of outputs must be those of the card. What else is known (size,
precision, number of weights, operators) speaks for a card or against it. What nobody stated on the
card is not checked, and that is said too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.backends._onnx_outline import Outline, Port
from edge.contracts import Card, GraphSpec
from edge.ports import Shape, Wanted, inputs_of, outputs_of

SIZE, WEIGHTS = "size", "number of weights"
"""What identifies a topology, as `Match.evidence` has it."""

_TOLERANCE = 0.03
"""Share by which the number of weights may differ: exporters fold some of them."""


@dataclass(frozen=True, slots=True)
class Match:
    """A card whose inputs and outputs are those of a file.

    Attributes:
        card: The card.
        evidence: What else is as the card says.
        against: What is not.
        unchecked: What the card does not say.
        only_size_off: Whether nothing speaks against it, or the size alone.
    """

    card: Card
    evidence: tuple[str, ...]
    against: tuple[str, ...]
    unchecked: tuple[str, ...]
    only_size_off: bool = False


def recognise(outline: Outline, size: int, cards: Mapping[str, Card]) -> tuple[Match, ...]:
    """Return the cards that fit a file, the likeliest first.

    Args:
        outline: Of the file's graph.
        size: Bytes of the file.
        cards: All cards, by name.

    Returns:
        First those that nothing speaks against, by how much speaks for them.
    """
    found = [match for card in cards.values() if (match := matched(card, outline, size))]
    return tuple(sorted(found, key=lambda match: (len(match.against), -len(match.evidence))))


def likeliest(matches: Sequence[Match], file: str) -> tuple[Match, ...]:
    """Return the cards that a file is most likely meant for: one, several, or none.

    Names and shapes alone make no card likely: every recogniser of 112 pixels has those of every
    other. The size must be as stated, or the number of weights.

    Args:
        matches: As `recognise` gives them.
        file: The file's name, which decides between cards that are equal otherwise.

    Returns:
        The cards that remain. One of them may have its size against it: it stands for a file of
        that model that was saved anew.
    """
    sound = [match for match in matches if not match.against]
    likely = [match for match in sound if SIZE in match.evidence]
    if not likely:
        likely = [match for match in matches if WEIGHTS in match.evidence and match.only_size_off]
    named = [match for match in likely if match.card.file == file and not match.against]
    return tuple(named or likely)


def fits(card: Card, outline: Outline) -> bool:
    """Return whether a graph has the inputs and outputs that a card needs."""
    if not card.file.endswith(".onnx"):
        return False
    wanted = inputs_of(card)
    return (
        len(wanted) == len(outline.inputs)
        and _all_found(wanted, outline.inputs)
        and _all_found(outputs_of(card), outline.outputs)
    )


def _all_found(wanted: Sequence[Wanted], ports: Sequence[Port]) -> bool:
    by_name = {port.name: port for port in ports}
    by_place = {f"#{place}": port for place, port in enumerate(ports)}
    found = []
    for each in wanted:
        port = (by_place if each.name.startswith("#") else by_name).get(each.name)
        if port is None or not _same(each.shape, port.shape):
            return False
        if each.columns and port.shape and port.shape[-1] not in (0, each.columns):
            return False
        found.append(port.name)
    return len(set(found)) == len(found)


def _same(wanted: Shape | None, shape: Shape | None) -> bool:
    """Return whether two shapes can be one; 0 is any side."""
    if wanted is None or shape is None:
        return True
    pairs = zip(wanted, shape, strict=False)
    return len(wanted) == len(shape) and all(a == b or 0 in (a, b) for a, b in pairs)


def same_topology(graph: GraphSpec, outline: Outline) -> bool:
    """Return whether a graph has about as many weights as a card says, if it says so."""
    return abs(outline.parameters - graph.parameters) <= _TOLERANCE * graph.parameters


def _holds(outline: Outline, text: str) -> bool:
    """Return whether a graph has as many weights of a shape as "12 * 1024x1024x3x3" says."""
    count, _, shape = text.partition(" * ")
    return outline.shapes.get(shape, 0) >= int(count)


def matched(card: Card, outline: Outline, size: int) -> Match | None:
    """Return what speaks for a card and against it; None where inputs or outputs do not fit."""
    if not fits(card, outline):
        return None
    evidence: list[str] = []
    against: list[str] = []
    unchecked: list[str] = []

    def weigh(what: str, same: bool, otherwise: str) -> None:
        if same:
            evidence.append(what)
        else:
            against.append(otherwise)

    if card.sha256:
        # The hash was compared before: a file with this one would not have come here.
        against.append("SHA-256 is another one")
    if card.size:
        weigh(SIZE, card.size == size, f"{size} bytes instead of {card.size}")
    else:
        unchecked.append(SIZE)
    weigh("precision", card.precision == outline.precision, f"weights are {outline.precision}")
    graph = card.graph
    if graph is not None and graph.parameters:
        weigh(
            WEIGHTS,
            same_topology(graph, outline),
            f"{outline.parameters} weights instead of about {graph.parameters}",
        )
    else:
        unchecked.append(WEIGHTS)
    if graph is not None and graph.operators:
        missing = [name for name in graph.operators if name not in outline.operators]
        weigh("operators", not missing, f"no operator {', '.join(missing)}")
    else:
        unchecked.append("operators")
    if graph is not None and graph.weights:
        lacking = [text for text in graph.weights if not _holds(outline, text)]
        weigh("shapes of weights", not lacking, f"no {', '.join(lacking)} among its weights")
    else:
        unchecked.append("shapes of weights")
    only_size = len(against) == int(bool(card.size) and card.size != size)
    return Match(card, tuple(evidence), tuple(against), tuple(unchecked), only_size)
