"""Track: hold the landmarks of a video's faces steady from frame to frame.

A detector looks at each frame for itself, so its landmarks tremble by a share of the eye distance
even when nobody moves, and a crop aligned to them trembles too. Small changes are damped; a head
that really moves is followed at once, so that nothing lags behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.records import Face

FREE = 0.06
"""Mean move of the landmarks, in eye distances a frame, from which they are taken as they are."""

LEAST = 0.25
"""Share of a new position that is taken when nothing seems to move."""

_SAME = 0.3  # overlap of two boxes (intersection over union) that belong to one face


class Steady:
    """Steadies the faces of one video; make a new one for each video, and at a cut."""

    def __init__(self) -> None:
        self._before: tuple[Face, ...] = ()

    def update(self, faces: Sequence[Face]) -> tuple[Face, ...]:
        """Take the faces of the next frame, steadied by those of the frame before.

        Args:
            faces: As the detector found them, in frame pixels.

        Returns:
            The same faces in the same order; a face that is new is taken as it is.
        """
        left = list(self._before)
        steadied = []
        for face in faces:
            match = max(left, key=lambda other: overlap(face, other), default=None)
            if match is None or overlap(face, match) < _SAME:
                steadied.append(face)
                continue
            left = [other for other in left if other is not match]
            steadied.append(_damped(match, face))
        self._before = tuple(steadied)
        return self._before

    def state(self) -> list[object]:
        """Return what the next frame's faces depend on; JSON can hold it."""
        return [face_to_json(face) for face in self._before]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on where another one stopped, whose `state` is given."""
        self._before = tuple(face_from_json(face) for face in state)


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


def _damped(before: Face, now: Face) -> Face:
    """Return `now`, moved from `before` by the share that its move deserves."""
    eyes = float(np.linalg.norm(now.landmarks[1] - now.landmarks[0]))
    move = float(np.linalg.norm(now.landmarks - before.landmarks, axis=1).mean())
    share = float(np.clip(move / max(FREE * eyes, 1e-6), LEAST, 1.0))
    landmarks: NDArray[np.float32] = before.landmarks + np.float32(share) * (
        now.landmarks - before.landmarks
    )
    x, y, width, height = (
        old + share * (new - old) for old, new in zip(before.box, now.box, strict=True)
    )
    return Face(box=(x, y, width, height), score=now.score, landmarks=landmarks)
