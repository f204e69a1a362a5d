"""From pictures and embeddings to what a model is fed, as its contract says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError
from edge.faces.align import align_to
from edge.faces.embed import Embedder, open_embedder
from edge.tensors import to_tensor
from quantize.errors import SamplesError

if TYPE_CHECKING:
    from edge.contracts import Card
    from edge.records import Face
    from quantize.calibration.shipped import ShippedFace
    from quantize.contract import ModelContract

__all__ = [
    "crop_of",
    "embedded_sources",
    "fitted",
    "open_recogniser",
    "sides_of",
    "target_tensor",
    "truth_of",
    "unit_sources",
]

Floats = NDArray[np.float32]
Frame = NDArray[np.uint8]


def crop_of(contract: ModelContract, frame: Frame, face: Face) -> Frame:
    """Cut out what a model sees of a face.

    Args:
        contract: With a card.
        frame: uint8 (H, W, 3) BGR.
        face: A face in it.

    Returns:
        uint8 (S, S, 3) BGR: what a device cuts out, with the card's template, fit and offset.

    Raises:
        SamplesError: There is no card, or it does not say which crop its model sees.
        UsageError: The landmarks cannot be aligned.
    """
    card = _card(contract)
    if card.crop is None:
        raise SamplesError(f"card {card.name} does not say which crop its model sees")
    return align_to(frame, face, card.crop).picture


def fitted(contract: ModelContract, picture: Frame) -> Frame:
    """Shrink or enlarge a whole picture to the size of a model's target, uint8 (H, W, 3) BGR."""
    height, width = sides_of(contract)
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = picture.shape[0] >= height and picture.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast(Frame, cv2.resize(picture, (width, height), interpolation=method))


def target_tensor(contract: ModelContract, crop: Frame) -> Floats:
    """Turn a crop into what the target's input is fed.

    Args:
        contract: With a card its normalisation counts; without one it is RGB, black and white at
            the ends of the range that is drawn from.
        crop: uint8 (H, W, 3) BGR of the model's size.

    Returns:
        float32 (1, 3, H, W), or (1, H, W, 3) where a model without a card takes that.
    """
    if contract.card is not None:
        return to_tensor(crop, contract.card.input)
    spec = contract.inputs[_target(contract)]
    unit = crop[..., ::-1].astype(np.float32)[None] / 255
    values = spec.low + (spec.high - spec.low) * unit
    planes = values if _last(spec.shape or ()) else values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(planes, np.float32)


def truth_of(crop: Frame) -> Floats:
    """Turn a crop into a truth: uint8 (H, W, 3) BGR to float32 (1, 3, H, W) RGB in [0, 1]."""
    planes = crop[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    return cast(Floats, planes / np.float32(255))


def _card(contract: ModelContract) -> Card:
    if contract.card is None:
        raise SamplesError("without a card nobody knows how a face is aligned for this model")
    return contract.card


def _target(contract: ModelContract) -> str:
    if contract.target is None:
        raise SamplesError("the model has no input for a picture")
    return contract.target


def _last(shape: Sequence[int]) -> bool:
    """Return whether a shape has its channels last."""
    return len(shape) == 4 and shape[3] == 3 and shape[1] != 3


def sides_of(contract: ModelContract) -> tuple[int, int]:
    """Return height and width of the picture that a model takes, in pixels.

    Raises:
        SamplesError: Neither card nor graph says so.
    """
    if contract.card is not None and contract.card.crop is not None:
        return contract.card.crop.size, contract.card.crop.size
    name = _target(contract)
    shape = contract.inputs[name].shape
    if shape is None or len(shape) != 4:
        raise SamplesError(f"the size of input '{name}' is not known: state it in the model's card")
    return (shape[1], shape[2]) if _last(shape) else (shape[2], shape[3])


def open_recogniser(contract: ModelContract, threads: int) -> tuple[Embedder | None, str]:
    """Open the recogniser whose embeddings a model takes.

    Returns:
        The recogniser and an empty text, or None and why it is not there.
    """
    if contract.card is None or contract.card.source is None:
        return None, "no card names the recogniser"
    try:
        return open_embedder(contract.card.source.recogniser, threads=threads), ""
    except EdgeError as error:
        return None, str(error)


def embedded_sources(
    contract: ModelContract, embedder: Embedder, people: Sequence[Sequence[ShippedFace]]
) -> tuple[Floats, ...]:
    """Embed people as an enrolment does: the mean of their photos' embeddings, at unit length.

    Args:
        contract: Its `source_values` has the last word (unit length, emap).
        embedder: The recogniser that the model's card names.
        people: Per person at least one photo.

    Returns:
        Per person float32 (1, N).
    """
    values = []
    for photos in people:
        mean = np.mean([embedder.embed(photo.frame(), photo.face) for photo in photos], axis=0)
        values.append(contract.source_values((mean / np.linalg.norm(mean)).astype(np.float32)))
    return tuple(values)


def unit_sources(contract: ModelContract, count: int, seed: int) -> tuple[Floats, ...]:
    """Draw sources of unit length, where no recogniser is at hand; float32 (1, N) each."""
    spec = contract.inputs[contract.source or ""]
    if spec.shape is None:
        raise SamplesError(
            f"the length of input '{contract.source}' is not known: state it in the model's card"
        )
    rng = np.random.default_rng((seed, 17))
    drawn = rng.standard_normal((count, spec.shape[-1])).astype(np.float32)
    return tuple(contract.source_values(one / np.linalg.norm(one)) for one in drawn)
