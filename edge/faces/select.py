"""Select: which of the faces in a frame are swapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import FaceCountError, NoFaceError, UsageError
from edge.faces.embed import Embedder
from edge.records import Face

_POINT = re.compile(r"\s*(\d{1,6}(?:\.\d+)?)\s*,\s*(\d{1,6}(?:\.\d+)?)\s*", re.ASCII)
_NUMBER = re.compile(r"[1-9]\d{0,3}", re.ASCII)


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


def check_position(position: str) -> None:
    """Check the spelling of a position before there is a frame.

    Raises:
        UsageError: Neither one of `POSITIONS`, nor a number from 1, nor "x,y".
    """
    spelled = _POINT.fullmatch(position) or _NUMBER.fullmatch(position)
    if position not in POSITIONS and not spelled:
        raise UsageError(
            f"no position '{position}'; known: {', '.join(POSITIONS)}, "
            "a number from 1 (left to right), or x,y"
        )


def by_position(faces: Sequence[Face], position: str) -> Face:
    """Pick one face by where it is.

    Args:
        faces: The faces in a frame.
        position: One of `POSITIONS`; or "1", "2", .. counted from left to right; or "x,y" in frame
            pixels, for the face nearest to that point.

    Returns:
        The face.

    Raises:
        UsageError: The position makes no sense.
        NoFaceError: There is no face, or fewer than the number asked for.
    """
    check_position(position)
    if not faces:
        raise NoFaceError(f"no face found, so none at position '{position}'")
    point = _POINT.fullmatch(position)
    if point is not None:
        goal = np.array([float(point[1]), float(point[2])])
        return min(faces, key=lambda face: float(np.linalg.norm(centre_of(face) - goal)))
    if position in _RANKS:
        return min(faces, key=_RANKS[position])
    number = int(position)
    if number > len(faces):
        raise NoFaceError(f"no face at position {number}: only {len(faces)} found")
    return sorted(faces, key=_RANKS["left"])[number - 1]


def by_reference(
    faces: Sequence[Face],
    frame: NDArray[np.uint8],
    embedder: Embedder,
    reference: NDArray[np.float32],
    *,
    threshold: float | None = None,
) -> Face:
    """Pick the face that is most like a reference.

    Args:
        faces: The faces in the frame.
        frame: uint8 (H, W, 3) BGR.
        embedder: Recogniser that also made the reference.
        reference: float32 (512,) of unit length.
        threshold: Cosine below which nobody is the same person; the recogniser's own by default.

    Returns:
        The face.

    Raises:
        NoFaceError: No face reaches the threshold; the message says how near the best came.
    """
    limit = embedder.match_threshold if threshold is None else threshold
    if not faces:
        raise NoFaceError("no face found, so none matches the reference")
    likeness = [float(embedder.embed(frame, face) @ reference) for face in faces]
    best = int(np.argmax(likeness))
    if likeness[best] < limit:
        raise NoFaceError(
            f"no face matches the reference: the best of {len(faces)} has a cosine of "
            f"{likeness[best]:.2f} where {limit:.2f} is needed"
        )
    return faces[best]


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
