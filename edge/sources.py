"""What a swap model is given to know who to show, and the proof that it is the identity's person.

Most models take an embedding, which the identity holds. Two kinds do not:

* A model that takes a picture. An identity holds none, by rule, so the picture is given for each
  swap; it must be one that the consent names, and show the person that was enrolled.
* A model with somebody in its weights. It must say whose identity that is, in its metadata (the
  toolchain writes it there) or on its card, and it must be this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.backends._onnx_contents import metadata_of
from edge.consent.identity import Identity
from edge.contracts import Card, SourceSpec
from edge.errors import CardError, ConsentError, IdentityError, UsageError
from edge.faces.align import align_to
from edge.faces.select import only_face
from edge.shelf import INSTALLED, Shelf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.consent.sealed import AnyIdentity
    from edge.faces.detect import Detector
    from edge.faces.embed import Embedder
    from edge.records import ModelUse

DEFAULT_RECOGNISER = "ref_embedder"
"""What people are enrolled with for a swap model that takes no embedding; it compares faces too."""

BAKED_IN = "edge_swap.identity"
"""Key of a model's metadata: commitment of the identity that is baked in."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenSource:
    """What a swap model is given.

    Attributes:
        value: float32 (N,) embedding, uint8 (S, S, 3) BGR crop, or None, as the model's kind.
        uses: Models that had a part in it, beside detector and swap model.
    """

    value: NDArray[Any] | None
    uses: tuple[ModelUse, ...] = ()


def recogniser_for(card: Card, identity: AnyIdentity, shelf: Shelf = INSTALLED) -> Card:
    """Return the recogniser that an identity is told by with a swap model.

    Args:
        card: The swap model's card.
        identity: Who is swapped in.
        shelf: Where recognisers come from.

    Returns:
        The one whose embeddings the model takes; for a model that takes none, one that the identity
        was enrolled with.

    Raises:
        CardError: The recogniser's card is missing.
        IdentityError: None of those that the identity was enrolled with is here.
    """
    cards = shelf.cards()
    wanted = _spec(card).recogniser
    if wanted:
        if wanted not in cards or cards[wanted].kind != "recogniser":
            raise CardError(f"card {card.name}: [source] there is no recogniser '{wanted}'")
        return cards[wanted]
    if not isinstance(identity, Identity):
        raise IdentityError(
            f"the identity of {identity.subject} is in a bundle, without its embeddings: no face "
            "can be compared with it"
        )
    for name, enrolled in identity.recognisers.items():
        if name in cards and cards[name].sha256 == enrolled.model_sha256:
            return cards[name]
    have = ", ".join(sorted(identity.recognisers))
    raise IdentityError(
        f"the identity of {identity.subject} was enrolled with {have}, which is not here: "
        "enrol it again"
    )


def enrols_with(card: Card) -> str:
    """Return the name of the recogniser that somebody is enrolled with for a swap model.

    Raises:
        CardError: It is no swap model.
    """
    return _spec(card).recogniser or DEFAULT_RECOGNISER


def comparer_for(card: Card, identity: AnyIdentity, shelf: Shelf = INSTALLED) -> tuple[Card, Shelf]:
    """Return the recogniser that tells the faces of a target apart, and where it is.

    A bundle with somebody baked in has none, and one without has but its card. Then it is the
    device's own: nothing of the picture that comes out is made by it.

    Args:
        card: The swap model's card.
        identity: Who is swapped in.
        shelf: Where the swap model comes from.

    Raises:
        CardError: There is no such recogniser.
        IdentityError: None of those that the identity was enrolled with is here.
    """
    if isinstance(identity, Identity):
        found = recogniser_for(card, identity, shelf)
        if shelf.file_of(found) is not None or not shelf.bundle:
            return found, shelf
        return INSTALLED.find(found.name, "recogniser"), INSTALLED
    return INSTALLED.find(DEFAULT_RECOGNISER, "recogniser"), INSTALLED


def source_for(
    card: Card,
    model: Path,
    identity: AnyIdentity,
    picture: Path | None,
    *,
    detector: Detector,
    open_recogniser: Callable[[str], Embedder],
    shelf: Shelf = INSTALLED,
) -> GivenSource:
    """Return what a swap model is given to show an identity.

    Args:
        card: The swap model's card.
        model: Its file.
        identity: Who is swapped in.
        picture: Picture of that person, for a model that takes one.
        detector: Finds the face in it.
        open_recogniser: Opens a recogniser by its card's name.
        shelf: Where recognisers come from.

    Raises:
        UsageError: A picture is given to a model that takes none.
        ConsentError: The model needs a picture that the consent names, and there is none or another
            one; or somebody else is in its weights.
        IdentityError: The identity was enrolled with another recogniser.
        MediaError: The picture cannot be read.
        NoFaceError: It holds no face.
        FaceCountError: It holds several.
    """
    spec = _spec(card)
    if picture is not None and spec.kind != "picture":
        raise UsageError(f"model {card.name} takes no source picture: leave out --source-picture")
    if not isinstance(identity, Identity):
        if spec.kind != "baked":
            raise IdentityError(
                f"model {card.name} takes a source, and the identity of {identity.subject} is "
                "without its embeddings: give the identity file"
            )
        check_baked(card, model, identity)
        return GivenSource(None)
    recogniser = recogniser_for(card, identity, shelf)
    embedding = identity.embedding_for(recogniser.name, recogniser.sha256)
    if spec.kind == "embedding":
        return GivenSource(embedding)
    if spec.kind == "baked":
        check_baked(card, model, identity)
        return GivenSource(None)
    if picture is None:
        raise ConsentError(
            f"refused: model {card.name} takes a picture of the source, and an identity holds "
            "none: give one that its consent names with --source-picture FILE"
        )
    return _from_picture(spec, identity, embedding, picture, detector, open_recogniser, recogniser)


def _from_picture(
    spec: SourceSpec,
    identity: Identity,
    embedding: NDArray[np.float32],
    picture: Path,
    detector: Detector,
    open_recogniser: Callable[[str], Embedder],
    recogniser: Card,
) -> GivenSource:
    from edge.media.image import read_picture

    whose = f"the consent of {identity.subject}"
    if not identity.consent.covers_photo(picture):
        raise ConsentError(
            f"refused: {whose} does not name the picture {picture}; give one of the very files "
            "that it was made with"
        )
    frame = read_picture(picture).frame
    face = only_face(detector.detect(frame), str(picture))
    embedder = open_recogniser(recogniser.name)
    likeness = float(embedder.embed(frame, face) @ embedding)
    if not likeness >= embedder.match_threshold:
        raise ConsentError(
            f"refused: {picture} does not show the person of the identity (likeness "
            f"{likeness:.2f}, below {embedder.match_threshold:g})"
        )
    if spec.crop is None:
        raise CardError("the card does not say which crop of the source the model sees")
    return GivenSource(align_to(frame, face, spec.crop).picture, (embedder.use,))


def check_baked(card: Card, model: Path, identity: AnyIdentity) -> None:
    """Check that the identity in a model's weights is the one that is to be swapped in.

    Args:
        card: The model's card.
        model: Its file.
        identity: Who is to be swapped in.

    Raises:
        ConsentError: It is another one, or nothing says whose it is.
        ModelError: The file cannot be read.
    """
    held = metadata_of(model).get(BAKED_IN, "") if model.suffix == ".onnx" else ""
    stated = [each for each in (held, _spec(card).identity) if each]
    if not stated:
        raise ConsentError(
            f"refused: nothing says whose identity is in the weights of model {card.name}: state "
            "its commitment as 'identity' in [source] of the card"
        )
    if any(each != identity.commitment for each in stated):
        raise ConsentError(
            f"refused: the weights of model {card.name} hold another identity than that of "
            f"{identity.subject}"
        )


def _spec(card: Card) -> SourceSpec:
    if card.source is None:
        raise CardError(f"model '{card.name}' is a {card.kind}, but a swapper is needed here")
    return card.source
