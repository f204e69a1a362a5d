"""Find faces: boxes, scores and five landmarks, in frames of any size.

A detector sees faces of some sizes best. So a large picture is looked at several times, each time
shrunk to another size; what several looks found alike is merged. A landmarker then looks at each
closely, and may say that it is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card
from edge.errors import UsageError
from edge.faces.candidates import Candidates, joined, suppress
from edge.faces.default import default_detector
from edge.faces.follow import best_match, carried
from edge.faces.landmarks import Landmarker, open_landmarker
from edge.faces.look import MULTIPLE, Look
from edge.faces.tiles import MOST_PIXELS
from edge.loading import open_card, use_of
from edge.records import Face, ModelUse
from edge.rounding import placed
from edge.shelf import INSTALLED, Shelf

Floats = NDArray[np.float32]

PICTURE_PASSES = (320, 640, 1280, 1920)
"""Longest sides, in pixels, at which a picture is looked at; a frame is never enlarged.

The first one is for a face that fills the picture, the last for a crowd in the distance.
"""

VIDEO_PASSES = (320, 640)
"""The same for a frame of a video or a camera, where time matters more than faces far away."""

# In every pass but the coarsest, larger faces are dropped: the coarser one saw them whole and at a
# better size, and what looks like a face inside a huge face (an eye, a mouth) is none.
_LARGEST_IN_FINER_PASS = 256.0
# Between these sides, in pixels of a pass, a face is neither too small to be placed well nor too
# large for the detector's field of view.
_BEST_SIDES = (40.0, 320.0)
_NESTED = 0.8  # a box that lies inside a better one by this share is a part of that face

# A face that is followed is looked for in a square of so many of its longer sides, in which it
# gets so many pixels: well within what is seen best, and an eighth of a frame's two passes.
_REGION = 2.0
_FOLLOWED_SIDE = 96.0

_DOUBTED = 0.2
"""Detector score from which a place is looked at closely; below, it is not worth the time."""


def _fitness(found: Candidates) -> Floats:
    """Score, lowered by the octaves that a face's size is away from what is seen best."""
    low, high = _BEST_SIDES
    sides = np.maximum(found.sides, 1e-3)
    octaves = np.maximum(np.log2(low / sides), np.log2(sides / high)).clip(0)
    return cast(Floats, found.scores / (1 + octaves))


class Detector:
    """A face detector: a card and an open session.

    Attributes:
        card: The model's contract.
        uses: How the models run, for manifest and ledger: its own, and that of its landmarker.
    """

    def __init__(self, card: Card, session: Session, landmarker: Landmarker | None = None) -> None:
        """Join card and session.

        Args:
            card: The model's contract.
            session: The open model.
            landmarker: Places the landmarks of each face that is found.

        Raises:
            ModelError: The model does not fit its card.
        """
        self._look = Look(card, session)
        self.card = card
        own: ModelUse = use_of(card, session)
        self.uses: tuple[ModelUse, ...] = (own,) if landmarker is None else (own, landmarker.use)
        self._landmarker = landmarker
        self._judge = landmarker if landmarker is not None and landmarker.judges else None
        self._spec = self._look.spec

    def detect(
        self,
        frame: NDArray[np.uint8],
        *,
        min_score: float | None = None,
        passes: Sequence[int] = PICTURE_PASSES,
    ) -> tuple[Face, ...]:
        """Find the faces in a frame.

        Args:
            frame: uint8 (H, W, 3) BGR, of any size.
            min_score: Faces below this score in [0, 1] are left out; `threshold` by default.
            passes: Longest sides in pixels at which the frame is looked at. A model of fixed
                input size looks once, at that size.

        Returns:
            The faces, largest first, in frame pixels.

        Raises:
            UsageError: min_score or passes make no sense.
            ModelError: It finds more faces than there can be.
            BackendError: The engine failed.
        """
        threshold = self.threshold if min_score is None else min_score
        if not 0 <= threshold <= 1:
            raise UsageError(f"min_score must lie between 0 and 1, not {threshold:g}")
        height, width = frame.shape[:2]
        coarsest, *finer = self._scales(width, height, passes)
        least = self._least(threshold)
        found = [self._look.at(frame, scale, least, MOST_PIXELS) for scale in finer]
        # Large faces are found in the coarsest look alone, which therefore sees them uncut. It
        # comes last: fine looks leave tens of megabytes with the engine, which nobody needs then.
        large = bool(finer) and max(finer) * max(width, height) > max(VIDEO_PASSES)
        found.insert(0, self._look.at(frame, coarsest, least, last=large))
        faces = _faces(self._look.few(self._merge(found)))
        if self._landmarker is not None:
            faces = [self._landmarker.place(frame, face) for face in faces]
            faces = [face for face in faces if face.score >= threshold]
        return tuple(sorted(faces, key=lambda face: -face.box[2] * face.box[3]))

    @property
    def threshold(self) -> float:
        """Score from which a face counts: the card's, or the landmarker's where that one judges."""
        if self._judge is not None:
            return self._judge.threshold
        return self._spec.score_threshold

    @property
    def follows(self) -> bool:
        """Whether a look at a region costs less than one at the frame: not at a fixed size."""
        return self._look.fixed == (0, 0)

    def near(
        self, frame: NDArray[np.uint8], expected: Face, *, min_score: float | None = None
    ) -> Face | None:
        """Look for one face around where it is expected.

        Args:
            frame: uint8 (H, W, 3) BGR.
            expected: The face as it should be by now.
            min_score: As in `detect`.

        Returns:
            The face that lies most where it is expected; None where there is none. A landmarker
            that judges looks at that place alone: the box goes with the landmarks then, and the
            score is what it says together with the score so far.

        Raises:
            ModelError: It finds more faces than there can be.
            BackendError: The engine failed.
        """
        threshold = self.threshold if min_score is None else min_score
        if self._judge is not None:
            if not _shows(frame, expected):
                return None
            # It says itself whether the face is still there, at a third of what a search costs.
            face = self._judge.place(frame, expected)
            if face is expected or face.score < threshold:
                return None  # nothing there could be placed, or it is no face
            return carried(expected, face)
        found = self._searched(frame, expected, threshold)
        if found is None or self._landmarker is None:
            return found
        face = self._landmarker.place(frame, found)
        return face if face.score >= threshold else None

    def _searched(self, frame: NDArray[np.uint8], expected: Face, threshold: float) -> Face | None:
        """Look for a face in the region around where it is expected."""
        x, y, width, height = expected.box
        side = max(width, height, 1.0)
        reach = side * _REGION / 2
        middle = np.array([x + width / 2, y + height / 2])
        size = frame.shape[1::-1]
        low = np.clip(np.floor(middle - reach), 0, size).astype(int)
        high = np.clip(np.ceil(middle + reach), 0, size).astype(int)
        if (high - low).min() < 1:
            return None  # it has left the frame
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        scale = min(1.0, _FOLLOWED_SIDE / side)
        part, factor = _halved(frame[top:bottom, left:right], scale)
        found = self._look.at(part, min(1.0, scale * factor), threshold)
        shift = np.array([left, top], np.float32)
        moved = Candidates(
            found.scores,
            found.boxes * np.float32(factor) + np.append(shift, (0, 0)),
            found.points * np.float32(factor) + shift,
            found.sides,
        )
        return best_match(_faces(moved), expected)

    def _least(self, threshold: float) -> float:
        """Return the detector's own score from which a face may reach a threshold.

        A landmarker that judges can raise one above it that the detector alone was in doubt of.
        """
        return threshold if self._judge is None else min(threshold, _DOUBTED)

    def _scales(self, width: int, height: int, passes: Sequence[int]) -> list[float]:
        """Return the factors at which the frame is looked at, coarsest first."""
        rows, columns = self._look.fixed
        if rows:
            return [min(1.0, columns / width, rows / height)]
        if not passes or min(passes) < MULTIPLE:
            raise UsageError(f"passes must be sides of at least {MULTIPLE} pixels: {passes}")
        longest = max(width, height)
        return sorted({min(1.0, side / longest) for side in passes})

    def _merge(self, found: Sequence[Candidates]) -> Candidates:
        if len(found) == 1:
            return found[0]
        coarse, *finer = found
        small = [part.take(part.sides <= _LARGEST_IN_FINER_PASS) for part in finer]
        everything = joined([coarse, *small])
        worth = _fitness(everything)
        return suppress(everything, worth, self._spec.nms_iou, _NESTED, self._spec.vote_iou)


def _shows(frame: NDArray[np.uint8], face: Face) -> bool:
    """Whether a part of a face's box lies in the frame."""
    rows, columns = frame.shape[:2]
    x, y, width, height = face.box
    return x < columns and y < rows and x + width > 0 and y + height > 0


def _halved(part: NDArray[np.uint8], scale: float) -> tuple[NDArray[np.uint8], int]:
    """Return a part of a frame, halved as often as it still shrinks by two, and by how much.

    OpenCV averages 2 x 2 pixels ten times as fast as it shrinks by other factors.
    """
    rows, columns = part.shape[:2]
    factor = 1 << max(0, int(math.log2(1 / scale)))
    if factor == 1 or min(rows, columns) < factor:
        return part, 1
    rows, columns = rows // factor, columns // factor
    part = part[: rows * factor, : columns * factor]
    for step in range(factor.bit_length() - 2, -1, -1):
        size = (columns << step, rows << step)
        part = cast(NDArray[np.uint8], cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    return part, factor


def _faces(found: Candidates) -> list[Face]:
    """Return candidates as faces."""
    boxes, landmarks = placed(found.boxes), placed(found.points)
    return [
        Face(
            box=(float(x), float(y), float(w), float(h)),
            score=min(float(score), 1.0),
            landmarks=points,
        )
        for (x, y, w, h), score, points in zip(boxes, found.scores, landmarks, strict=True)
    ]


def open_detector(
    name: str = "",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    landmarker: str = "",
    shelf: Shelf = INSTALLED,
) -> Detector:
    """Open a detector, and the landmarker that its card names.

    See `edge.loading.open_card` for arguments and errors. The landmarker runs in the same engine,
    where there is a file of it for that engine.

    Args:
        name: Card name; empty: the shipped one that is quickest here (`edge.faces.default`).
        backend: Engine.
        providers: Execution providers in order of preference.
        threads: Threads for one run.
        strict: Refuse to run on another provider than the first one.
        landmarker: Card name of a landmarker to use instead of the one that the card names.
        shelf: Where both come from.
    """
    card, session = open_card(
        name or default_detector(backend, providers),
        "detector",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    wanted = landmarker or ("" if card.detector is None else card.detector.landmarker)
    if not wanted:
        return Detector(card, session)
    closer = open_landmarker(
        wanted,
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    return Detector(card, session, closer)
