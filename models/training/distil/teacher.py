"""The teacher: any swap model that has a card, told once whom to show.

It is run by ONNX Runtime as its file is, and fed as the runtime feeds it: crops by its card's
template, the identity through converter and emap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import open_session
from edge.backends.base import Session
from edge.cards import find_card
from edge.contracts import Card, CropSpec, PictureSpec
from edge.emap import load_emap
from edge.errors import UsageError
from edge.loading import named
from edge.registry import locate
from edge.selftest import try_model
from edge.swapmodel import SHOWS
from edge.tensors import to_picture, to_tensor
from models.training.crops import Pixels
from quantize.baking import BakedIdentity, identity_to_bake
from quantize.contract import ModelContract, contract_of
from quantize.errors import ContractError
from quantize.model_card import find_model_card
from quantize.modelfile import ModelFile, load_model

_CHANGED = 6  # of 255: below, a teacher without a mask has left a pixel as it was
_KERNEL = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a teacher makes of a crop.

    Attributes:
        picture: uint8 (S, S, 3) BGR, the target where the mask is 0.
        mask: uint8 (S, S), 255 where the new face alone is.
        shows: part in (0, 1] from which on people see the new face: below 1 where the mask is exact
            and lets the target's own skin through.
    """

    picture: Pixels
    mask: Pixels
    shows: float = 1.0

    @property
    def face(self) -> NDArray[np.bool_]:
        """Where there is more of the new face to see than of the target, bool (S, S)."""
        return self.mask > 127.5 * self.shows


class Teacher:
    """A swap model and the person whom it shows.

    Attributes:
        card: the model's card.
        crop: which crop it sees.
        file: its file.
        sha256: hex digest of that.
        baked: the person, and what the model is fed for them.
        shows: part of its mask from which on people see the new face, as `Shown` has it.
    """

    def __init__(
        self, card: Card, session: Session, file: ModelFile, baked: BakedIdentity, source: str
    ) -> None:
        """Join them.

        Args:
            card: a swapper's card.
            session: the model, open.
            file: its file.
            baked: the person.
            source: name of the identity's input.
        """
        if card.crop is None or card.picture is None:
            raise ContractError(f"card {card.name}: a {card.kind} swaps nobody")
        self.card, self.file, self.baked = card, file.path, baked
        self.sha256 = file.sha256
        self.crop: CropSpec = card.crop
        self._picture: PictureSpec = card.picture
        self.session = session
        self._target = named(card, card.input.name, session.inputs)
        self._source = source
        self.shows = SHOWS if card.picture.exact_mask else 1.0

    @property
    def exact(self) -> bool:
        """Whether its pictures hold exactly so much of the target as its mask says."""
        return self._picture.exact_mask

    def feeds(self, crop: Pixels) -> Mapping[str, NDArray[Any]]:
        """What the model is fed for a crop, uint8 (S, S, 3) BGR."""
        return {
            self._target: to_tensor(crop, self.card.input),
            self._source: self.baked.values,
        }

    def __call__(self, crop: Pixels) -> Shown:
        """Swap a crop, uint8 (S, S, 3) BGR."""
        outputs = dict(zip(self.session.outputs, self.session.run(self.feeds(crop)), strict=True))
        tensor = outputs[named(self.card, self._picture.name, self.session.outputs)]
        picture = to_picture(tensor, self._picture)
        name = named(self.card, self._picture.mask, self.session.outputs)
        mask = soft_of(outputs[name][0, 0]) if name else changed(crop, picture)
        if self._picture.composited:
            return Shown(picture, mask, self.shows)
        return Shown(blended(crop, picture, mask), mask)


def soft_of(mask: NDArray[np.float32]) -> Pixels:
    """A mask in [0, 1] as uint8 in 0..255."""
    return np.clip(mask * 255.0 + 0.5, 0, 255).astype(np.uint8)


def changed(crop: Pixels, picture: Pixels) -> Pixels:
    """Where a teacher that has no mask painted a face, uint8 (S, S), soft at its edge.

    Such a model paints the whole crop again, nearly as it was around the face: small differences
    are not meant, and what is cut off from the face is noise.
    """
    differs = (cv2.absdiff(crop, picture).max(axis=2) > _CHANGED).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(differs)
    if count > 1:
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        differs = (parts == largest).astype(np.uint8)
    whole = cv2.morphologyEx(differs * 255, cv2.MORPH_CLOSE, _KERNEL, iterations=3)
    soft: Pixels = cv2.GaussianBlur(cv2.dilate(whole, _KERNEL), (0, 0), 1.5).astype(np.uint8)
    return soft


def blended(under: Pixels, over: Pixels, mask: Pixels) -> Pixels:
    """Lay one picture over another where a mask says so, uint8 (S, S, 3)."""
    part = mask[..., None].astype(np.float32) / 255.0
    return (under + (over.astype(np.float32) - under) * part + 0.5).astype(np.uint8)


def open_teacher(
    given: str,
    identity: Path,
    *,
    card: str | None = None,
    picture: Path | None = None,
    threads: int = 1,
) -> Teacher:
    """Open a swap model as the teacher of one person.

    Args:
        given: a model file, or the name of a card.
        identity: identity file; its consent must be in force.
        card: the model's card, as a TOML file or by its name; by default the one that means it.
        picture: picture of the person, for a model that takes one; the consent names it.
        threads: of the engine.

    Raises:
        ConsentError: the identity's consent is not in force.
        ContractError: the model is no swapper, or shows one person already.
        CardError: there is no card for it.
        ModelError: it cannot be read, or does not fit its card.
    """
    if Path(given).suffix == ".onnx":
        file = load_model(Path(given))
        found, _ = find_model_card(card, file)
        if found is None:
            raise UsageError(f"{given}: no card means this file; name its card with --card")
    else:
        found = find_card(given, "swapper")
        file = load_model(locate(found))
    contract = _contract(found, file)
    baked = identity_to_bake(identity, contract, model=file.path, picture=picture)
    session = open_session(file.path, backend="ort", threads=threads)
    try_model(found, session)
    return Teacher(found, session, file, baked, str(contract.identity_input))


def _contract(card: Card, file: ModelFile) -> ModelContract:
    """Return what a model takes, with the emap that its card asks for."""
    contract = contract_of(file.model, card, emap=load_emap(card, file.path))
    if contract.identity_input is None:
        raise ContractError(
            f"model {card.name} shows one person already: give a swap model that takes an identity"
        )
    return contract
