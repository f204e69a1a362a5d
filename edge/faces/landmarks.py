"""Landmarks: look at a face that was found once more, closely, and place its five points.

A detector sees a face in a few cells and must find it first; a network that is given the aligned
crop has every pixel of it and no other task. It errs by about half as much, and trembles less from
frame to frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import CardError, ModelError, UsageError
from edge.faces.align import align, inverse
from edge.loading import check_fit, open_card, use_of
from edge.records import Face, ModelUse
from edge.tensors import to_tensor

_FARTHEST = 1.0
"""How far the points may move in the mean, in crop sides, before they are no better any more."""


class Landmarker:
    """A model for the landmarks of one face: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.landmarks is None or card.crop is None:
            raise CardError(
                f"model '{card.name}' is a {card.kind}, but a landmarker is needed here"
            )
        check_fit(card, session, [card.input.name], [card.landmarks.name])
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self._spec = card.landmarks
        self._crop = card.crop
        self._session = session

    def place(self, frame: NDArray[np.uint8], face: Face) -> Face:
        """Place the landmarks of a face anew.

        Args:
            frame: uint8 (H, W, 3) BGR.
            face: A face in it, with landmarks that are about right.

        Returns:
            The face with the landmarks of the closer look; box and score stay. Landmarks that no
            crop can be aligned to stay too, as do those that the model would move out of it.

        Raises:
            ModelError: The model gives other outputs than its card says.
            BackendError: The engine failed.
        """
        landmarks = face.landmarks
        for _ in range(self._spec.looks):
            try:
                crop = align(
                    frame, replace(face, landmarks=landmarks), self._crop.template, self._crop.size
                )
            except UsageError:
                return face
            points = self._look(crop.picture)
            if not np.isfinite(points).all() or np.abs(points - 0.5).max() > _FARTHEST:
                return face
            back = inverse(crop.matrix)
            landmarks = (points * self._crop.size @ back[:, :2].T + back[:, 2]).astype(np.float32)
        return replace(face, landmarks=landmarks)

    def _look(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return float64 (5, 2) in crop sides."""
        results = self._session.run({self.card.input.name: to_tensor(crop, self.card.input)})
        values = np.asarray(results[self._session.outputs.index(self._spec.name)], np.float64)
        if values.size != 10:
            raise ModelError(
                f"model {self.card.name}: does not fit its card: {values.size} numbers for five "
                "landmarks"
            )
        return cast(NDArray[np.float64], values.reshape(5, 2))


def open_landmarker(
    name: str = "ref_landmarker",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
) -> Landmarker:
    """Open a landmarker by its card's name; see `edge.loading.open_card` for arguments."""
    card, session = open_card(
        name, "landmarker", backend=backend, providers=providers, threads=threads, strict=strict
    )
    return Landmarker(card, session)
