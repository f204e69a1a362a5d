"""The shipped faces of nobody: what a model is calibrated and judged on by default.

Calibration faces and held-out faces are of different identities, and no shipped model was trained
on either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import resources
from edge.errors import MediaError
from edge.media.image import read_picture
from edge.records import Face
from quantize.errors import SamplesError

__all__ = ["ShippedFace", "ShippedSwap", "calibration_faces", "held_out_swaps"]

_LIST = "faces.json"


@dataclass(frozen=True, slots=True, eq=False)
class ShippedFace:
    """A picture of one face of nobody.

    Attributes:
        path: The file.
        face: Where the face is; exact, as it was rendered.
    """

    path: Path
    face: Face

    @property
    def name(self) -> str:
        """Short name for people."""
        return self.path.stem

    def frame(self) -> NDArray[np.uint8]:
        """Return the picture, uint8 (H, W, 3) BGR.

        Raises:
            SamplesError: The file cannot be read.
        """
        try:
            return read_picture(self.path).frame
        except MediaError as error:
            raise SamplesError(f"{error}; install edge-swap again") from error


@dataclass(frozen=True, slots=True, eq=False)
class ShippedSwap:
    """A swap whose outcome is known.

    Attributes:
        target: Who is in the picture.
        truth: The same scene and head with the source's face part: what a perfect swap shows. Its
            crop is cut where the target's is.
        sources: Photos of the source.
    """

    target: ShippedFace
    truth: ShippedFace
    sources: tuple[ShippedFace, ...]


def _folder() -> Path:
    return resources.samples_dir() / "faces"


def _listed() -> dict[str, Any]:
    path = _folder() / _LIST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamplesError(f"{path} cannot be read: install edge-swap again") from error
    if not isinstance(values, dict):
        raise SamplesError(f"{path} is no list of faces: install edge-swap again")
    return values


def _face(entry: dict[str, Any]) -> ShippedFace:
    points = np.array(entry["landmarks"], np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return ShippedFace(_folder() / entry["file"], Face(box, 1.0, points))


def calibration_faces() -> tuple[ShippedFace, ...]:
    """Return one face each of 64 identities, in varied pose, light, expression and wear.

    Raises:
        SamplesError: They are not there.
    """
    return tuple(_face(entry) for entry in _listed()["calibration"])


def held_out_swaps() -> tuple[ShippedSwap, ...]:
    """Return 24 swaps between other identities.

    Raises:
        SamplesError: They are not there.
    """
    return tuple(
        ShippedSwap(
            target=_face(entry["target"]),
            truth=_face(entry["truth"]),
            sources=tuple(_face(photo) for photo in entry["sources"]),
        )
        for entry in _listed()["held_out"]
    )
