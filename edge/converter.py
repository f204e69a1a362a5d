"""Converters: small networks that turn one recogniser's embedding into another's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import BackendError, CardError
from edge.loading import check_fit, named, open_card, use_of
from edge.records import ModelUse
from edge.shelf import INSTALLED, Shelf


class Converter:
    """A converter: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
        recogniser: Card name of the recogniser whose embeddings it takes.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.converter is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a converter is needed here")
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self.recogniser = card.converter.recogniser
        self._length = card.converter.length
        self._input = named(card, card.converter.input, session.inputs)
        self._output = named(card, card.converter.output, session.outputs)
        self._session = session
        check_fit(card, session, [self._input], [self._output])

    def convert(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert an embedding.

        Args:
            embedding: float32 (1, N).

        Returns:
            float32 (1, N), at the length that the network gives it.

        Raises:
            BackendError: The engine failed, or gave no usable numbers.
        """
        results = self._session.run({self._input: embedding})
        values = np.asarray(results[self._session.outputs.index(self._output)], np.float32)
        if values.shape != (1, self._length) or not np.isfinite(values).all():
            raise BackendError(
                f"model {self.card.name}: gave {values.size} numbers where {self._length} usable "
                "ones are expected"
            )
        return values


def open_converter(
    name: str,
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    shelf: Shelf = INSTALLED,
) -> Converter:
    """Open a converter by its card's name; see `edge.loading.open_card`."""
    card, session = open_card(
        name,
        "converter",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    return Converter(card, session)
