"""The swap model: a crop of the target and the source's embedding in, a new crop and its mask out.

What comes out is unlabelled and only a crop. So it is no part of the public interface: `edge.swap`
takes it on to the label, `edge.bench` measures it and throws it away, and a test knows of no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import BackendError, CardError, IdentityError, ModelError
from edge.loading import check_fit, open_card, use_of
from edge.records import Crop, ModelUse
from edge.tensors import to_picture, to_tensor

_SHOWS = 0.25
"""Mask from which a picture that is composited already is used as it is; below, it fades out."""


class SwapModel:
    """A swapper: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
        recogniser: Card name of the recogniser whose embeddings it takes.
        template: Template that its crops are aligned to.
        size: Side of its crops in pixels.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.picture is None or card.source is None or card.crop is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a swapper is needed here")
        outputs = [name for name in (card.picture.name, card.picture.mask) if name]
        check_fit(card, session, [card.input.name, card.source.name], outputs)
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self.recogniser = card.source.recogniser
        self.template = card.crop.template
        self.size = card.crop.size
        self._picture = card.picture
        self._source = card.source
        self._session = session

    def _swap_crop(
        self, crop: Crop, embedding: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Show the source's face in place of the one in the crop; unlabelled, see the module.

        Args:
            crop: Aligned to `template` at `size`.
            embedding: float32 (512,) of `recogniser`.

        Returns:
            uint8 (S, S, 3) BGR picture, and float32 (S, S) mask in [0, 1]: how much of the
            picture to use where. All ones for a model without a mask.

        Raises:
            IdentityError: The embedding is not one that this model takes.
            BackendError: The engine failed, or gave values that are no numbers.
        """
        feeds = {
            self.card.input.name: to_tensor(crop.picture, self.card.input),
            self._source.name: self._source_tensor(embedding),
        }
        outputs = dict(zip(self._session.outputs, self._session.run(feeds), strict=True))
        tensor = outputs[self._picture.name]
        self._check(tensor, self._picture.name, 3)
        picture = to_picture(tensor, self._picture)
        if not self._picture.mask:
            return picture, np.ones((self.size, self.size), np.float32)
        mask = outputs[self._picture.mask]
        self._check(mask, self._picture.mask, 1)
        shown = mask[0, 0] / _SHOWS if self._picture.composited else mask[0, 0]
        return picture, cast(NDArray[np.float32], np.clip(shown, 0, 1))

    def _source_tensor(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        values = np.asarray(embedding, np.float32).reshape(1, -1)
        if values.size != self._source.length:
            raise IdentityError(
                f"the identity's embedding holds {values.size} numbers where model "
                f"{self.card.name} takes {self._source.length}: enrol with {self.recogniser}"
            )
        length = float(np.linalg.norm(values))
        if not np.isfinite(length) or length == 0:
            raise IdentityError("the identity's embedding holds no usable numbers: enrol it again")
        return values / np.float32(length) if self._source.normalise else values

    def _check(self, tensor: NDArray[np.float32], name: str, channels: int) -> None:
        shape = (1, channels, self.size, self.size)
        if tensor.shape != shape:
            raise ModelError(
                f"model {self.card.name}: does not fit its card: output '{name}' has shape "
                f"{tensor.shape} instead of {shape}"
            )
        if not np.isfinite(tensor).all():
            raise BackendError(
                f"model {self.card.name}: output '{name}' holds values that are no numbers on "
                f"{self.use.provider}; use a float32 model or another provider"
            )


def open_swap_model(
    name: str = "ref_swapper",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
) -> SwapModel:
    """Open a swapper by its card's name; see `edge.loading.open_card`."""
    card, session = open_card(
        name, "swapper", backend=backend, providers=providers, threads=threads, strict=strict
    )
    return SwapModel(card, session)
