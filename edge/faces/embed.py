"""Embed: from a face to the numbers that tell people apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import BackendError, CardError
from edge.faces.align import align_to
from edge.loading import check_fit, named, open_card, use_of
from edge.records import Face, ModelUse
from edge.shelf import INSTALLED, Shelf
from edge.tensors import to_tensor


class Embedder:
    """A recogniser: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
        match_threshold: Cosine from which two faces count as one person.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.embedding is None or card.crop is None:
            raise CardError(
                f"model '{card.name}' is a {card.kind}, but a recogniser is needed here"
            )
        self._input = named(card, card.input.name, session.inputs)
        self._output = named(card, card.embedding.name, session.outputs)
        check_fit(card, session, [self._input], [self._output])
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self.match_threshold = card.embedding.match_threshold
        self._spec = card.embedding
        self._crop = card.crop
        self._session = session

    def embed(self, frame: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """Return the embedding of a face.

        Args:
            frame: uint8 (H, W, 3) BGR.
            face: A face in it.

        Returns:
            float32 (512,), of unit length (as many numbers as the card says).

        Raises:
            UsageError: The landmarks cannot be aligned.
            BackendError: The engine failed, or gave no usable numbers.
        """
        crop = align_to(frame, face, self._crop)
        tensor = to_tensor(crop.picture, self.card.input)
        results = self._session.run({self._input: tensor})
        values = results[self._session.outputs.index(self._output)]
        embedding = np.asarray(values, np.float64).reshape(-1)
        length = float(np.linalg.norm(embedding))
        if embedding.size != self._spec.length or not np.isfinite(length) or length == 0:
            raise BackendError(
                f"model {self.card.name}: gave {embedding.size} numbers of length {length:g} "
                f"where {self._spec.length} usable ones are expected"
            )
        return cast(NDArray[np.float32], (embedding / length).astype(np.float32))


def open_embedder(
    name: str = "ref_embedder",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    shelf: Shelf = INSTALLED,
) -> Embedder:
    """Open a recogniser by its card's name; see `edge.loading.open_card`."""
    card, session = open_card(
        name,
        "recogniser",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    return Embedder(card, session)
