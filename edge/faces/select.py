"""Select: which of the faces in a frame are swapped.

A choice returns no face where none fits: in a video that is one frame's ordinary fate. Whether it
is an error is for the caller to say, with `wanted` to say it in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import FaceCountError, NoFaceError, UsageError
from edge.faces.embed import Embedder
from edge.records import Face

_POINT = re.compile(r"\s*(\d{1,6}(?:\.\d+)?)\s*,\s*(\d{1,6}(?:\.\d+)?)\s*")
_NUMBER = re.compile(r"[1-9]\d{0,3}")


class FaceChoice(Protocol):
    """Which faces of a frame are meant."""

    @property
    def wanted(self) -> str:
        """The choice in words, to stand after "no face ": "at position 'left'"."""

    def choose(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> tuple[Face, ...]:
        """Pick the faces that are meant.

        Args:
            frame: uint8 (H, W, 3) BGR.
            faces: All faces in it.

        Returns:
            The faces meant; empty where none is.
        """


def centre_of(face: Face) -> tuple[float, float]:
    """Return the middle of a face's box, x and y in frame pixels."""
    x, y, width, height = face.box
    return x + width / 2, y + height / 2


_RANKS: dict[str, Callable[[Face], float]] = {
    "left": lambda face: centre_of(face)[0],
    "right": lambda face: -centre_of(face)[0],
    "top": lambda face: centre_of(face)[1],
    "bottom": lambda face: -centre_of(face)[1],
    "largest": lambda face: -face.box[2] * face.box[3],
    "smallest": lambda face: face.box[2] * face.box[3],
}

POSITIONS: tuple[str, ...] = tuple(_RANKS)
"""Positions that have a name; besides them a number from 1, left to right, and a point "x,y"."""


@dataclass(frozen=True, slots=True)
class AllFaces:
    """Every face."""

    @property
    def wanted(self) -> str:
        """The choice in words."""
        return "in the picture"

    def choose(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> tuple[Face, ...]:
        """Return all of them."""
        return tuple(faces)


@dataclass(frozen=True, slots=True)
class AtPosition:
    """One face, by where it is.

    Attributes:
        position: One of `POSITIONS`; or "1", "2", .. counted from left to right; or "x,y" in frame
            pixels, for the face nearest to that point.
    """

    position: str

    def __post_init__(self) -> None:
        """Check the spelling.

        Raises:
            UsageError: The position makes no sense.
        """
        spelled = _POINT.fullmatch(self.position) or _NUMBER.fullmatch(self.position)
        if self.position not in POSITIONS and not spelled:
            raise UsageError(
                f"no position '{self.position}'; known: {', '.join(POSITIONS)}, "
                "a number from 1 (left to right), or x,y"
            )

    @property
    def wanted(self) -> str:
        """The choice in words."""
        return f"at position '{self.position}'"

    def choose(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> tuple[Face, ...]:
        """Return the face at the position, if there is one."""
        if not faces:
            return ()
        point = _POINT.fullmatch(self.position)
        if point is not None:
            goal = np.array([float(point[1]), float(point[2])])
            return (min(faces, key=lambda face: float(np.linalg.norm(centre_of(face) - goal))),)
        if self.position in _RANKS:
            return (min(faces, key=_RANKS[self.position]),)
        number = int(self.position)
        return tuple(sorted(faces, key=_RANKS["left"])[number - 1 : number])


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """The one face that is most like a reference, if it is like enough.

    Attributes:
        embedder: Recogniser that also made the reference.
        reference: float32 (512,) of unit length.
        threshold: Cosine below which nobody is the same person; the recogniser's own by default.
    """

    embedder: Embedder
    reference: NDArray[np.float32]
    threshold: float | None = None

    @property
    def limit(self) -> float:
        """Cosine that a face must reach."""
        return self.embedder.match_threshold if self.threshold is None else self.threshold

    @property
    def wanted(self) -> str:
        """The choice in words."""
        return f"that matches the reference (cosine of {self.limit:.2f} or more)"

    def choose(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> tuple[Face, ...]:
        """Return the best match that reaches the limit, if there is one."""
        if not faces:
            return ()
        likeness = [float(self.embedder.embed(frame, face) @ self.reference) for face in faces]
        best = int(np.argmax(likeness))
        return (faces[best],) if likeness[best] >= self.limit else ()


def only_face(faces: Sequence[Face], name: str) -> Face:
    """Return the face of a picture that must hold exactly one.

    Args:
        faces: The faces found.
        name: Name of the picture, for the message.

    Raises:
        NoFaceError: There is none.
        FaceCountError: There are several.
    """
    if not faces:
        raise NoFaceError(f"{name}: no face found")
    if len(faces) > 1:
        raise FaceCountError(f"{name}: {len(faces)} faces found where exactly one is needed")
    return faces[0]
