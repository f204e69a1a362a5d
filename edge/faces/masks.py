"""Masks: what of a crop may be replaced, so that hands, hair and glasses in front stay.

A masker looks at the crop that the swap model is given, and its mask is multiplied with the swap
model's own: where several look, each of them can only take something away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import BackendError, CardError, ModelError
from edge.loading import check_fit, named, open_card, use_of
from edge.records import ModelUse
from edge.shelf import INSTALLED, Shelf
from edge.tensors import to_tensor

Mask = NDArray[np.float32]


class Masker:
    """A model that tells what of a crop is face: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.mask is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a masker is needed here")
        self._input = named(card, card.input.name, session.inputs)
        self._output = named(card, card.mask.name, session.outputs)
        check_fit(card, session, [self._input], [self._output])
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self._spec = card.mask
        self._session = session

    def mask(self, picture: NDArray[np.uint8]) -> Mask:
        """Tell how much of each pixel of a crop may be replaced.

        Args:
            picture: uint8 (S, S, 3) BGR.

        Returns:
            float32 (S, S) in [0, 1].

        Raises:
            ModelError: The model gives other outputs than its card says.
            BackendError: The engine failed, or gave values that are no numbers.
        """
        rows, columns = self.card.input.shape[2:]
        shown = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR)
        tensor = to_tensor(cast("NDArray[np.uint8]", shown), self.card.input)
        results = self._session.run({self._input: tensor})
        small = self._read(np.asarray(results[self._session.outputs.index(self._output)]))
        side = picture.shape[0]
        mask = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
        if self._spec.blur:
            soft = cv2.GaussianBlur(mask, (0, 0), self._spec.blur)
            mask = (np.clip(soft, 0.5, 1) - 0.5) * 2
        return cast(Mask, np.clip(mask, 0, 1))

    def _read(self, values: NDArray[Any]) -> Mask:
        """Return float32 (H, W) in [0, 1], as large as the model's input."""
        rows, columns = self.card.input.shape[2:]
        classes = self._spec.classes
        if classes:
            fits = values.shape == (1, classes, rows, columns)
        else:
            fits = values.shape in {(1, rows, columns, 1), (1, 1, rows, columns)}
        if not fits:
            raise ModelError(
                f"model {self.card.name}: does not fit its card: output '{self._output}' has shape "
                f"{values.shape} for {columns} x {rows} pixels"
            )
        if not classes:
            self._check(values)
            return cast(Mask, np.clip(values.reshape(rows, columns), 0, 1).astype(np.float32))
        # Face where the highest logit is one of its classes. Two maxima, and not the place of one:
        # they take a fraction of the time. What is no number comes through to them.
        others = [number for number in range(classes) if number not in self._spec.face]
        inside, outside = _highest(values[0], self._spec.face), _highest(values[0], others)
        self._check(inside)
        self._check(outside)
        return cast(Mask, (inside > outside).astype(np.float32))

    def _check(self, values: NDArray[Any]) -> None:
        if not np.isfinite(values).all():
            raise BackendError(
                f"model {self.card.name}: output '{self._output}' holds values that are no numbers "
                f"on {self.use.provider}; use a float32 model or another provider"
            )


def _highest(logits: NDArray[Any], classes: Sequence[int]) -> NDArray[Any]:
    highest: NDArray[Any] = logits[classes[0]].copy()
    for number in classes[1:]:
        np.maximum(highest, logits[number], out=highest)
    return highest


def joint_mask(maskers: Iterable[Masker], picture: NDArray[np.uint8]) -> Mask | None:
    """Return where all of some maskers see face: the product of their masks.

    It is not multiplied with a swap model's own mask: one that is exact says what its picture is
    made of, and that stays so where a masker forbids to show it.

    Args:
        maskers: Those that look.
        picture: uint8 (S, S, 3) BGR, the crop that the swap model was given.

    Returns:
        float32 (S, S) in [0, 1]; None where nobody looks.
    """
    joint: Mask | None = None
    for masker in maskers:
        own = masker.mask(picture)
        joint = own if joint is None else joint * own
    return joint


def masker_named(name: str, shelf: Shelf = INSTALLED) -> str:
    """Return the name of the card that a masker's name means.

    Args:
        name: A card's name; or how names of several begin ("xseg" of xseg_1, xseg_2): of those, the
            first one whose file is here is meant.
        shelf: Where maskers come from.
    """
    cards = {each: card for each, card in shelf.cards().items() if card.kind == "masker"}
    begin = [each for each in cards if each.startswith(f"{name}_")]
    if name in cards or not begin:
        return name  # opening it says what is wrong with it
    here = [each for each in begin if shelf.file_of(cards[each]) is not None]
    return (here or begin)[0]


def open_masker(
    name: str,
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    shelf: Shelf = INSTALLED,
) -> Masker:
    """Open a masker by its name; see `masker_named`, and `edge.loading.open_card`."""
    card, session = open_card(
        masker_named(name, shelf),
        "masker",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    return Masker(card, session)
