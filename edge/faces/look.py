"""One look of a detector at a picture, in one size.

What a model finds in a picture of one size is decoded as its card says, held to what can be, and
merged where it overlaps. `edge.faces.detect` looks several times.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import Run, last_run
from edge.contracts import Card
from edge.errors import BackendError, CardError, ModelError
from edge.faces.candidates import MOST_FACES, Candidates, joined, sane, suppress
from edge.faces.decoders import decode, misfit, output_keys
from edge.faces.tiles import Tile, tiles
from edge.loading import check_fit, named
from edge.tensors import to_tensor

__all__ = ["MULTIPLE", "Look"]

Floats = NDArray[np.float32]

MULTIPLE = 32
"""The largest stride of a detector: sides are multiples of it."""

_MIN_SIDE = 96  # a smaller frame is padded to this: the largest stride needs some cells to work on

_UNCUT = 2**62  # pixels


def _padded(side: int) -> int:
    return -(-max(side, _MIN_SIDE) // MULTIPLE) * MULTIPLE


class Look:
    """A detector's model, open.

    Attributes:
        card: The model's contract.
        spec: What the card says of a detector.
        session: The open model.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Args:
            card: The model's contract.
            session: The open model.

        Raises:
            CardError: The card is of no detector.
            ModelError: The model does not fit its card.
        """
        if card.detector is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a detector is needed here")
        keys = output_keys(card.detector)
        self._outputs = {
            key: named(card, name, session.outputs)
            for key, name in zip(keys, card.detector.outputs or keys, strict=True)
        }
        self._input = named(card, card.input.name, session.inputs)
        check_fit(card, session, [self._input], self._outputs.values())
        self.card, self.spec, self.session = card, card.detector, session

    @property
    def fixed(self) -> tuple[int, int]:
        """Rows and columns of a model of fixed input size; (0, 0) for one of any size."""
        rows, columns = self.card.input.shape[2:]
        return (rows, columns) if rows and columns else (0, 0)

    def at(
        self,
        frame: NDArray[np.uint8],
        scale: float,
        min_score: float,
        most: int = _UNCUT,
        *,
        last: bool = False,
    ) -> Candidates:
        """Look at a frame once, shrunk.

        Args:
            frame: uint8 (H, W, 3) BGR, of any size.
            scale: Factor by which it is shrunk, in (0, 1].
            min_score: Candidates below it are left out.
            most: Pixels that are looked at at a time.
            last: Whether the engine may give back the memory that this and former looks took.

        Returns:
            What it finds, in pixels of the frame; what overlaps is merged.

        Raises:
            ModelError: It finds more faces than there can be, or does not fit its card.
            BackendError: The engine failed.
        """
        height, width = frame.shape[:2]
        columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
        picture = frame
        if (columns, rows) != (width, height):
            picture = cast(
                NDArray[np.uint8],
                cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA),
            )
        stretch = np.array([width / columns, height / rows], np.float32)
        parts = tiles(columns, rows, most)
        run = last_run(self.session) if last else self.session.run
        seen = joined([self._look_at(picture, part, stretch, min_score, run) for part in parts])
        seen = seen.take(sane(seen, width, height))
        return self.few(suppress(seen, seen.scores, self.spec.nms_iou, 1.0, self.spec.vote_iou))

    def few(self, found: Candidates) -> Candidates:
        """Return what was found, unless it is more than there can be.

        Raises:
            ModelError: It is.
        """
        if found.scores.size > MOST_FACES:
            raise ModelError(
                f"model {self.card.name}: finds more than {MOST_FACES} faces in one picture, so it "
                "does not fit its card, or --min-score is too low"
            )
        return found

    def _look_at(
        self,
        picture: NDArray[np.uint8],
        part: Tile,
        stretch: Floats,
        min_score: float,
        run: Run,
    ) -> Candidates:
        """Look at a part of a picture, with black to the right and below.

        Returns:
            What is in it, in pixels of the frame.
        """
        rows, columns = part.bottom - part.top, part.right - part.left
        fixed_rows, fixed_columns = self.fixed
        full_rows, full_columns = fixed_rows or _padded(rows), fixed_columns or _padded(columns)
        canvas = np.zeros((full_rows, full_columns, 3), np.uint8)
        canvas[:rows, :columns] = picture[part.top : part.bottom, part.left : part.right]
        raw = decode(self._run(canvas, run), self.spec, (full_rows, full_columns), min_score)
        whole = part.whole(raw.boxes)
        shift = np.array([part.left, part.top], np.float32)
        boxes, points = raw.boxes[whole], raw.points[whole]
        return Candidates(
            raw.scores[whole],
            (boxes + np.append(shift, (0, 0)).astype(np.float32)) * np.tile(stretch, 2),
            (points + shift) * stretch,
            boxes[:, 2:].max(axis=1),
        )

    def _run(self, canvas: NDArray[np.uint8], run: Run) -> dict[str, Floats]:
        """Return the outputs for a picture, uint8 (H, W, 3) BGR, by the decoder's own names."""
        results = run({self._input: to_tensor(canvas, self.card.input)})
        by_name = dict(zip(self.session.outputs, results, strict=True))
        outputs = {key: np.asarray(by_name[name]) for key, name in self._outputs.items()}
        wrong = misfit(outputs, self.spec, canvas.shape[:2])
        if wrong:
            raise ModelError(
                f"model {self.card.name}: does not fit its card: output {self._outputs[wrong]} has "
                f"shape {outputs[wrong].shape} for {canvas.shape[1]} x {canvas.shape[0]} pixels"
            )
        for key, values in outputs.items():
            if not np.isfinite(values).all():
                raise BackendError(
                    f"model {self.card.name}: output {self._outputs[key]} holds values that are no "
                    f"numbers on {self.session.provider}; use a float32 model or another provider"
                )
        return outputs
