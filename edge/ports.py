"""What a card says of a model's inputs and outputs, in one list: names and shapes.

A file is recognised by them, and a model that is opened for the first time is tried with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.cards_faces import IN_COLUMN
from edge.contracts import Card, TensorSpec
from edge.contracts_faces import DetectorSpec, LandmarksSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An input or an output, as a card wants it.

    Attributes:
        name: Name in the graph; or its place, as "#0".
        shape: Its sides, 0 for any; None where the card does not say.
        picture: For an input that takes a picture: how.
        columns: Its last side, where the card says no more than that; 0: not even that.
    """

    name: str
    shape: Shape | None
    picture: TensorSpec | None = None
    columns: int = 0


def inputs_of(card: Card) -> tuple[Wanted, ...]:
    """Return all inputs that a card's model has."""
    found = []
    if card.input.name:
        found.append(_picture(card.input))
    if card.landmarks is not None and card.landmarks.source is not None:
        found.append(Wanted(card.landmarks.source.name, (1, 5, 2)))
    if card.converter is not None:
        found.append(Wanted(card.converter.input, (1, card.converter.length)))
    source = card.source
    if source is not None and source.picture is not None:
        found.append(_picture(source.picture))
    elif source is not None and source.name:
        found.append(Wanted(source.name, (1, source.length)))
    return tuple(found)


def outputs_of(card: Card) -> tuple[Wanted, ...]:
    """Return the outputs that a card's model must have; it may have more."""
    if card.picture is not None:
        return _pictures(card)
    if card.detector is not None:
        return _detections(card.detector)
    if card.embedding is not None:
        return (Wanted(card.embedding.name, (1, card.embedding.length)),)
    if card.converter is not None:
        return (Wanted(card.converter.output, (1, card.converter.length)),)
    if card.mask is not None:
        classes = card.mask.classes
        sides = (1, classes, *card.input.shape[2:]) if classes else None
        return (Wanted(card.mask.name, sides),)
    if card.gate is not None:
        return (Wanted(card.gate.name, None),)
    return () if card.landmarks is None else _landmarks(card.landmarks)


def _detections(spec: DetectorSpec) -> tuple[Wanted, ...]:
    from edge.faces.decoders import columns_of, output_keys

    keys = output_keys(spec)
    names = spec.outputs or tuple(keys)
    if spec.decoder == "yoloface":
        return (Wanted(names[0], (1, columns_of(spec, keys[0]), 0)),)
    return tuple(
        Wanted(name, None, columns=columns_of(spec, key))
        for name, key in zip(names, keys, strict=True)
    )


def _landmarks(spec: LandmarksSpec) -> tuple[Wanted, ...]:
    if spec.points == 5:
        return (Wanted(spec.name, None),)  # (1, 5, 2) or a row of ten: both are read
    found = Wanted(spec.name, (1, spec.points, spec.columns))
    maps = spec.score not in ("", IN_COLUMN)
    return (found, Wanted(spec.score, (1, spec.points, 0, 0))) if maps else (found,)


def _picture(spec: TensorSpec) -> Wanted:
    batch, channels, height, width = spec.shape
    shape = (batch, height, width, channels) if spec.layout == "NHWC" else spec.shape
    return Wanted(spec.name, shape, spec)


def _pictures(card: Card) -> tuple[Wanted, ...]:
    if card.picture is None or card.crop is None:
        return ()
    sides = (card.crop.size, card.crop.size)
    found = [Wanted(card.picture.name, (1, 3, *sides))]
    if card.picture.mask:
        found.append(Wanted(card.picture.mask, (1, 1, *sides)))
    return tuple(found)
