"""Landmarks: look at a face that was found once more, closely, and place its five points.

A detector sees a face in a few cells and must find it first; a network that is given the face
alone has every pixel of it and no other task. It errs by about half as much, and trembles less from
frame to frame. It can also be asked whether that is a face at all: a detector that has to decide
over thousands of places in a frame takes a few things for faces that a closer look does not.

Models differ in what they are shown: the crop aligned to the landmarks so far, the upright square
around the box, or those landmarks themselves; and in what they give: the five points, or the 68 of
the face's outline in the order of the 300-W data set, from which the five are taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.cards_faces import IN_COLUMN
from edge.contracts import Card
from edge.contracts_faces import BoxSpec, PointsSpec
from edge.errors import BackendError, CardError, ModelError, UsageError
from edge.faces.align import align_to, cut, inverse, quarter_turns, similarity, turned, upright
from edge.loading import check_fit, named, open_card, use_of
from edge.records import Face, ModelUse
from edge.rounding import placed, transformed
from edge.shelf import INSTALLED, Shelf
from edge.tensors import to_tensor

Points = NDArray[np.float64]

_FARTHEST = 1.0
"""How far the points may move in the mean, in crop sides, before they are no better any more."""

_SURE, _SURE_OF_LOOK = 0.999, 0.95
"""How sure a detector and a look at a crop may be at the most: a network that has learned from
drawn faces is sure of most things, and one wrong look must not outweigh everything."""

_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)
_NOSE, _LEFT_MOUTH, _RIGHT_MOUTH = 30, 48, 54
_CLIP_LIMIT = 2.0  # of the contrast that a dark crop's histogram is given


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The points that a landmarker gives.

    Attributes:
        points: float32 (5, 2) or (68, 2) x, y in frame pixels.
        score: The model's confidence in [0, 1]; 1 where it gives none.
        face: Probability in [0, 1] that it was shown a face; 1 where it does not tell.
    """

    points: NDArray[np.float32]
    score: float
    face: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the model is shown: its input, and the way from the frame to crop sides."""

    tensor: NDArray[np.float32]
    matrix: Points
    size: int


def five_of(points: NDArray[Any]) -> NDArray[Any]:
    """Return the five landmarks of an outline.

    Args:
        points: float (68, 2) in 300-W's order, or (5, 2), which are returned as they are.

    Returns:
        float (5, 2): the middles of the eyes, tip of the nose, corners of the mouth.
    """
    if len(points) == 5:
        return points
    eyes = [points[eye].mean(axis=0) for eye in (_LEFT_EYE, _RIGHT_EYE)]
    return np.stack([*eyes, points[_NOSE], points[_LEFT_MOUTH], points[_RIGHT_MOUTH]])


class Landmarker:
    """A model for the landmarks of one face: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
        judges: Whether it tells faces from what is none.
        threshold: Score of detector and landmarker together from which a face then counts.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.landmarks is None:
            raise CardError(
                f"model '{card.name}' is a {card.kind}, but a landmarker is needed here"
            )
        spec = card.landmarks
        source = card.input.name if spec.source is None else spec.source.name
        heatmaps = "" if spec.score == IN_COLUMN else spec.score
        self._input = named(card, source, session.inputs)
        self._output = named(card, spec.name, session.outputs)
        self._heatmaps = named(card, heatmaps, session.outputs)
        self._face = named(card, spec.face, session.outputs)
        outputs = [name for name in (self._output, self._heatmaps, self._face) if name]
        check_fit(card, session, [self._input], outputs)
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self.judges, self.threshold = bool(spec.face), spec.threshold
        self._spec = spec
        self._session = session

    def place(self, frame: NDArray[np.uint8], face: Face) -> Face:
        """Place the landmarks of a face anew.

        Args:
            frame: uint8 (H, W, 3) BGR.
            face: A face in it, with landmarks that are about right.

        Returns:
            The face with the landmarks of the closer look; the box stays, and so does the score,
            unless the model judges: then it is what both models say (see `joint`). Landmarks that
            no crop can be aligned to stay too, as do those that the model would move far away, or
            is not confident of.

        Raises:
            ModelError: The model gives other outputs than its card says.
            BackendError: The engine failed, or gave values that are no numbers.
        """
        closer = face
        for _ in range(self._spec.looks):
            found = self.outline(frame, closer)
            if found is None or found.score < self._spec.min_score:
                return face
            score = joint(face.score, found.face) if self.judges else face.score
            closer = replace(face, landmarks=placed(five_of(found.points)), score=score)
        return closer

    def outline(self, frame: NDArray[np.uint8], face: Face) -> Outline | None:
        """Look at a face once.

        Args:
            frame: uint8 (H, W, 3) BGR.
            face: A face in it.

        Returns:
            All points that the model gives; None where the face's landmarks cannot be aligned, or
            the points lie far from what the model was shown.

        Raises:
            ModelError: The model gives other outputs than its card says.
            BackendError: The engine failed, or gave values that are no numbers.
        """
        try:
            view = self._view(frame, face)
        except UsageError:
            return None
        results = self._session.run({self._input: view.tensor})
        outputs = dict(zip(self._session.outputs, results, strict=True))
        points, score = self._read(outputs)
        is_face = self._read_face(outputs) if self._face else 1.0
        if np.abs(points - 0.5).max() > _FARTHEST:
            return None
        points = transformed(inverse(view.matrix), points * view.size)
        return Outline(points.astype(np.float32), score, is_face)

    def _view(self, frame: NDArray[np.uint8], face: Face) -> _View:
        if self._spec.source is not None:
            return _points_view(face, self._spec.source)
        if self._spec.box is not None:
            return self._box_view(frame, face, self._spec.box)
        if self.card.crop is None:
            raise CardError(f"card {self.card.name}: says not what the model is shown")
        crop = align_to(frame, face, self.card.crop)
        return _View(to_tensor(crop.picture, self.card.input), crop.matrix, self.card.crop.size)

    def _box_view(self, frame: NDArray[np.uint8], face: Face, spec: BoxSpec) -> _View:
        matrix = upright(face.box, spec.size, spec.side)
        matrix = turned(matrix, spec.size, quarter_turns(face.landmarks))
        crop = cut(frame, matrix, spec.size)
        picture = _brightened(crop.picture, spec.brighten_below)
        return _View(to_tensor(picture, self.card.input), matrix, spec.size)

    def _read(self, outputs: dict[str, NDArray[Any]]) -> tuple[Points, float]:
        """Return float64 (N, 2) in sides of what was shown, and the confidence."""
        spec = self._spec
        values = np.asarray(outputs[self._output], np.float64)
        if values.size != spec.points * spec.columns:
            raise self._misfit(f"{values.size} numbers for {spec.points} landmarks")
        self._check(values, self._output)
        values = values.reshape(spec.points, spec.columns)
        mean = spec.full_score
        if spec.score == IN_COLUMN:
            mean = float(values[:, -1].mean())
        elif self._heatmaps:
            maps = np.asarray(outputs[self._heatmaps])
            if maps.ndim != 4 or maps.shape[:2] != (1, spec.points) or not maps.size:
                raise self._misfit(f"heatmaps of shape {maps.shape} for {spec.points} landmarks")
            self._check(maps, self._heatmaps)
            mean = float(maps.max(axis=(2, 3)).mean())
        return values[:, :2] / spec.grid, min(max(mean / spec.full_score, 0.0), 1.0)

    def _read_face(self, outputs: dict[str, NDArray[Any]]) -> float:
        values = np.asarray(outputs[self._face], np.float64)
        if values.size != 1:
            raise self._misfit(f"{values.size} numbers for the probability of a face")
        self._check(values, self._face)
        return min(max(float(values.item()), 0.0), 1.0)

    def _misfit(self, what: str) -> ModelError:
        return ModelError(f"model {self.card.name}: does not fit its card: {what}")

    def _check(self, values: NDArray[Any], name: str) -> None:
        if not np.isfinite(values).all():
            raise BackendError(
                f"model {self.card.name}: output {name} holds values that are no numbers on "
                f"{self.use.provider}; use a float32 model or another provider"
            )


def joint(score: float, face: float) -> float:
    """Return what a detector and a landmarker say together: the mean of their log-odds.

    Two that are equally sure come to what either says, and one that doubts is outweighed by one
    that is sure.

    Args:
        score: The detector's, in [0, 1].
        face: The landmarker's probability that this is a face, in [0, 1].
    """
    both = (_log_odds(score, _SURE) + _log_odds(face, _SURE_OF_LOOK)) / 2
    return 1 / (1 + math.exp(-both))


def _log_odds(share: float, most: float) -> float:
    share = min(max(share, 1 - most), most)
    return math.log(share / (1 - share))


def _points_view(face: Face, spec: PointsSpec) -> _View:
    matrix = similarity(face.landmarks, spec.template, 1)
    points = transformed(matrix, face.landmarks)
    return _View(points.astype(np.float32)[None], matrix, 1)


def _brightened(crop: NDArray[np.uint8], below: float) -> NDArray[np.uint8]:
    """Raise the contrast of a crop that is darker than `below`."""
    if not below:
        return crop
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2Lab)
    if float(lab[..., 0].mean()) >= below:
        return crop
    lab[..., 0] = cv2.createCLAHE(clipLimit=_CLIP_LIMIT).apply(np.ascontiguousarray(lab[..., 0]))
    return cast("NDArray[np.uint8]", cv2.cvtColor(lab, cv2.COLOR_Lab2BGR))


def open_landmarker(
    name: str = "ref_landmarker",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    shelf: Shelf = INSTALLED,
) -> Landmarker:
    """Open a landmarker by its card's name; see `edge.loading.open_card` for arguments."""
    card, session = open_card(
        name,
        "landmarker",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    return Landmarker(card, session)
