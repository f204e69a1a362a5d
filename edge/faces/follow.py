"""Follow: find a video's faces without looking at the whole of every frame.

The whole frame is looked at now and then; in between each face is looked for where it should be by
now: closely, by a landmarker that says whether it is still one, or else in a small region. A face
that is not found there, a score that is too low and a cut are reasons to look at the whole frame
again at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.faces.track import face_from_json, face_to_json, overlap
from edge.records import Face
from edge.rounding import placed

Frame = NDArray[np.uint8]

EVERY = 5
"""Frames from one look at the whole frame to the next: a fifth of a second of a common video, which
is how late somebody who enters the picture may be found."""

CUT = 0.12
"""Mean difference to the frame before, as a share of white, from which it shows another scene. A
cut makes about 0.3, and a hand-held camera that is swung about 0.05."""

_SAME = 0.3  # least overlap (intersection over union) of a face with where it was expected
_ONE = 0.5  # overlap from which two faces that were followed have become one
_NOSE = 2
_BEHIND = 1.0
"""So far behind eyes and mouth a head's box is held, in lengths of the nose: when a head turns,
eyes and mouth go one way, the nose further, and the box hardly at all. On the sample video, at its
own and at two and four times its speed, boxes overlapped those of a full search by 0.94, 0.91 and
0.87 at least; without this, by 0.90, 0.84 and 0.75 (with the landmarker before this one)."""

_GRAIN = 16  # every so many rows and columns are compared to see a cut

Find = Callable[[Frame], tuple[Face, ...]]
Near = Callable[[Frame, Face], "Face | None"]


class Follower:
    """Finds the faces of one video, frame by frame.

    Attributes:
        looks: How often the whole frame was looked at so far.
    """

    def __init__(self, find: Find, near: Near, every: int = EVERY) -> None:
        """Start before the first frame.

        Args:
            find: Looks at a whole frame, uint8 (H, W, 3) BGR.
            near: Looks for one face around where it is expected; None where it is not.
            every: Frames from one look at the whole frame to the next; 1: every frame.
        """
        self._find, self._near, self._every = find, near, max(1, every)
        self._faces: tuple[Face, ...] = ()
        self._moves: tuple[NDArray[np.float32], ...] = ()
        self._since = 0
        self._last: NDArray[np.int16] | None = None
        self.looks = 0

    def update(self, frame: Frame) -> tuple[Face, ...]:
        """Take the next frame.

        Args:
            frame: uint8 (H, W, 3) BGR.

        Returns:
            Its faces, in the order of the last look at a whole frame.
        """
        self._since += 1
        faces = None
        if not self._is_cut(frame) and self._faces and self._since < self._every:
            faces = self._followed(frame)
        if faces is None:
            faces = self._find(frame)
            self.looks += 1
            self._since = 0
        self._moves = tuple(self._move(face) for face in faces)
        self._faces = faces
        return faces

    def state(self) -> dict[str, object]:
        """Return what the next frame's faces depend on beside the frame before, for JSON."""
        return {
            "faces": [face_to_json(face) for face in self._faces],
            "moves": [[float(part) for part in move] for move in self._moves],
            "since": self._since,
        }

    def restore(self, state: Mapping[str, Any], before: Frame) -> None:
        """Go on where another follower stopped.

        Args:
            state: What its `state` returned.
            before: The last frame that it took, uint8 (H, W, 3) BGR.
        """
        self._faces = tuple(face_from_json(face) for face in state["faces"])
        self._moves = tuple(np.array(move, np.float32) for move in state["moves"])
        self._since = int(state["since"])
        self._is_cut(before)

    def _is_cut(self, frame: Frame) -> bool:
        small = frame[::_GRAIN, ::_GRAIN, 1].astype(np.int16)
        last, self._last = self._last, small
        if last is None or last.shape != small.shape:
            return True
        return bool(np.abs(small - last).mean() > CUT * 255)

    def _followed(self, frame: Frame) -> tuple[Face, ...] | None:
        """Look for each face where it should be; None if one is lost, or two have become one."""
        found: list[Face] = []
        for face, move in zip(self._faces, self._moves, strict=True):
            expected = _moved(face, move)
            seen = self._near(frame, expected)
            if seen is None or overlap(seen, expected) < _SAME:
                return None
            if any(overlap(seen, other) > _ONE for other in found):
                return None
            found.append(seen)
        return tuple(found)

    def _move(self, face: Face) -> NDArray[np.float32]:
        """Return how far a face has come since the frame before: float32 (2,) x, y in pixels."""
        before = max(self._faces, key=lambda other: overlap(face, other), default=None)
        if before is None or overlap(face, before) < _SAME:
            return np.zeros(2, np.float32)
        move: NDArray[np.float32] = (face.landmarks - before.landmarks).mean(axis=0)
        return move


def _moved(face: Face, move: NDArray[np.float32]) -> Face:
    x, y, width, height = face.box
    box = (x + float(move[0]), y + float(move[1]), width, height)
    return replace(face, box=box, landmarks=face.landmarks + move)


def best_match(faces: Sequence[Face], expected: Face) -> Face | None:
    """Return the face that lies most where one is expected; None where none does."""
    best = max(faces, key=lambda face: overlap(face, expected), default=None)
    return best if best is not None and overlap(best, expected) >= _SAME else None


def carried(before: Face, now: Face) -> Face:
    """Take a face's box along with its landmarks: to where they went, and grown as they did.

    Args:
        before: The face with the box that fits it.
        now: The same face a frame later, of which the landmarks and the score are known.

    Returns:
        `now` with the box, to the nearest sixteenth of a pixel.
    """
    (x0, y0, spread0), (x1, y1, spread1) = _extent(before), _extent(now)
    grown = spread1 / spread0 if spread0 > 0 else 1.0
    x, y, width, height = before.box
    box = np.array([x1 + (x - x0) * grown, y1 + (y - y0) * grown, width * grown, height * grown])
    left, top, across, down = placed(box).tolist()
    return replace(now, box=(left, top, across, down))


def _extent(face: Face) -> tuple[float, float, float]:
    """Return where a face's box is held, x and y, and how far its eyes and mouth lie apart."""
    points = np.asarray(face.landmarks, np.float64)
    others = points[[0, 1, 3, 4]]
    middle = others.mean(axis=0)
    held = middle - _BEHIND * (points[_NOSE] - middle)
    spread = math.sqrt(float(((others - middle) ** 2).mean()))
    return float(held[0]), float(held[1]), spread
