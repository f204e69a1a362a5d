"""Track: hold the landmarks of a video's faces steady from frame to frame.

A detector looks at each frame for itself, so its landmarks tremble by a share of the eye distance
even when nobody moves, and a crop aligned to them trembles too. A face is expected to go on as it
moved (an alpha-beta filter, which is a Kalman filter of fixed gains for a steady speed); of what it
does otherwise only a part is believed, and all of it when it is much, so that nothing lags behind a
head that really moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.records import Face

FREE = 0.06
"""How far a face's landmarks may lie in the mean from where they were expected, in eye distances;
from there on they are taken as they are. Trembling cancels out in that mean, a move does not."""

LEAST = 0.25
"""Share of the way to a new position that is gone when it is as expected."""

_LEAST_PACE, _MOST_PACE = 0.03, 0.5
"""Share of that way by which the expected move a frame is corrected, by the same measure."""

_SAME = 0.3  # overlap of two boxes (intersection over union) that belong to one face

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A face as it was shown, and how its landmarks and two corners move, float64 (7, 2) pixels."""

    face: Face
    move: Points


class Steady:
    """Steadies the faces of one video; make a new one for each video, and at a cut."""

    def __init__(self) -> None:
        self._before: tuple[_Held, ...] = ()

    def update(self, faces: Sequence[Face]) -> tuple[Face, ...]:
        """Take the faces of the next frame, steadied by those of the frames before.

        Args:
            faces: As the detector found them, in frame pixels.

        Returns:
            The same faces in the same order; a face that is new is taken as it is.
        """
        left = list(self._before)
        held = []
        for face in faces:
            match = max(left, key=lambda other: overlap(face, other.face), default=None)
            if match is None or overlap(face, match.face) < _SAME:
                held.append(_Held(face, np.zeros((7, 2))))
                continue
            left = [other for other in left if other is not match]
            held.append(_steadied(match, face))
        self._before = tuple(held)
        return tuple(one.face for one in held)

    def state(self) -> list[object]:
        """Return what the next frame's faces depend on; JSON can hold it."""
        return [[face_to_json(one.face), one.move.tolist()] for one in self._before]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on where another one stopped, whose `state` is given."""
        self._before = tuple(
            _Held(face_from_json(face), np.array(move, np.float64)) for face, move in state
        )


def face_to_json(face: Face) -> list[object]:
    """Return a face as numbers in lists, which come back exactly as they were."""
    box = [float(value) for value in face.box]
    return [box, float(face.score), [[float(x), float(y)] for x, y in face.landmarks]]


def face_from_json(value: Sequence[Any]) -> Face:
    """Return the face that `face_to_json` wrote."""
    (x, y, width, height), score, landmarks = value
    return Face((x, y, width, height), score, np.array(landmarks, np.float32))


def overlap(first: Face, second: Face) -> float:
    """Return the intersection over union of two faces' boxes, in [0, 1]."""
    ax, ay, aw, ah = first.box
    bx, by, bw, bh = second.box
    across = min(ax + aw, bx + bw) - max(ax, bx)
    down = min(ay + ah, by + bh) - max(ay, by)
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / (aw * ah + bw * bh - across * down)


def _points(face: Face) -> Points:
    """The landmarks, and the box's first and last corner."""
    x, y, width, height = face.box
    return np.concatenate((face.landmarks, [(x, y), (x + width, y + height)])).astype(np.float64)


def _steadied(before: _Held, now: Face) -> _Held:
    """Return `now`, moved from where it was expected by the share that is believed."""
    eyes = float(np.linalg.norm(now.landmarks[1] - now.landmarks[0]))
    expected = _points(before.face) + before.move
    error = _points(now) - expected
    off = float(np.linalg.norm(error[:5].mean(axis=0))) / max(FREE * eyes, 1e-6)
    belief = min(off, 1.0)
    points = expected + (LEAST + (1 - LEAST) * belief) * error
    move = before.move + (_LEAST_PACE + (_MOST_PACE - _LEAST_PACE) * belief) * error
    (x, y), (right, bottom) = points[5:].tolist()
    landmarks = points[:5].astype(np.float32)
    box = (x, y, max(right - x, 0.0), max(bottom - y, 0.0))
    return _Held(Face(box=box, score=now.score, landmarks=landmarks), move)
