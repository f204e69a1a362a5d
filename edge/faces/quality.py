"""Quality: is a photo good enough to enrol from?

A poor photo gives an embedding that is nobody in particular, and a swap that looks like nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import PhotoError
from edge.faces.align import align
from edge.records import Face

MIN_SIDE = 80.0
"""Shorter side of the face's box, pixels: below it the recogniser's crop would be enlarged."""

MIN_EYES = 24.0
"""Eye to eye, pixels. 35 fill the recogniser's crop; a turned face has less at the same size."""

MIN_SHARPNESS = 0.012
"""See `PhotoQuality.sharpness`. Measured: 0.03 to 0.2 in focus; a photo with 0.053 falls to 0.024,
0.014 and 0.008 when blurred by a Gaussian of 1, 1.5 and 2 pixels."""

MAX_TURN = 0.45
"""See `PhotoQuality.turn`: 0.1 for every 10 degrees, so about 45 degrees to the side."""

TILT_RANGE = (0.25, 0.85)
"""See `PhotoQuality.tilt`: 0.5 to 0.6 from the front; these are about 35 degrees up and down."""

LIGHT_RANGE = (35.0, 225.0)
"""Mean grey of the face, 0..255."""

MIN_CONTRAST = 8.0
"""Spread (standard deviation) of grey over the face."""

_TEMPLATE, _SIZE = "arcface_112_v2", 112
_CENTRE = slice(_SIZE // 5, _SIZE - _SIZE // 5)  # the face itself, without hair and background


@dataclass(frozen=True, slots=True)
class PhotoQuality:
    """What was measured on a face in a photo.

    Attributes:
        side: Shorter side of the box, pixels.
        eyes: Eye to eye, pixels.
        sharpness: Variance of the Laplacian over the variance of grey, on the aligned crop: how
            much of what is seen is fine detail, whatever the contrast.
        turn: How far the nose stands off the middle between the eyes, in eye distances along the
            line of the eyes; 0 from the front.
        tilt: How far down from eyes to mouth the nose stands, 0 to 1.
        light: Mean grey, 0..255.
        contrast: Standard deviation of grey.
    """

    side: float
    eyes: float
    sharpness: float
    turn: float
    tilt: float
    light: float
    contrast: float


def measure(frame: NDArray[np.uint8], face: Face) -> PhotoQuality:
    """Measure how good a photo of a face is.

    Args:
        frame: uint8 (H, W, 3) BGR.
        face: A face in it.

    Returns:
        The measures.

    Raises:
        UsageError: The landmarks cannot be aligned.
    """
    crop = align(frame, face, _TEMPLATE, _SIZE)
    grey = cv2.cvtColor(crop.picture, cv2.COLOR_BGR2GRAY)
    # A little smoothing first: sensor noise must not pass for detail.
    detail = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 0.8), cv2.CV_32F)[_CENTRE, _CENTRE]
    middle = grey[_CENTRE, _CENTRE].astype(np.float32)
    spread = float(middle.var())
    turn, tilt = _pose(face.landmarks)
    return PhotoQuality(
        side=min(face.box[2:]),
        eyes=float(np.linalg.norm(face.landmarks[1] - face.landmarks[0])),
        sharpness=float(detail.var()) / max(spread, 1.0),
        turn=turn,
        tilt=tilt,
        light=float(middle.mean()),
        contrast=spread**0.5,
    )


def _pose(landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Return turn and tilt, free of roll: measured along and across the line of the eyes."""
    left, right, nose, mouth_left, mouth_right = landmarks.astype(np.float64)
    eyes = float(np.linalg.norm(right - left))
    along = (right - left) / max(eyes, 1e-6)
    across = np.array([-along[1], along[0]])
    between = (left + right) / 2
    down = float(((mouth_left + mouth_right) / 2 - between) @ across)
    turn = float((nose - between) @ along) / max(eyes, 1e-6)
    tilt = float((nose - between) @ across) / max(down, 1e-6)
    return turn, tilt


def _complaint(found: PhotoQuality) -> str | None:
    """Return why a photo is too poor, or None; the first reason in the order of the remedies."""
    low, high = LIGHT_RANGE
    up, down = TILT_RANGE
    rules = (
        (
            found.side < MIN_SIDE,
            f"the face is {found.side:.0f} px where {MIN_SIDE:.0f} are needed: "
            "use a larger photo or come nearer",
        ),
        (
            abs(found.turn) > MAX_TURN,
            f"the face is turned to the side ({abs(found.turn):.2f}, at most {MAX_TURN}): "
            "look towards the camera",
        ),
        (
            not up <= found.tilt <= down,
            f"the face looks up or down ({found.tilt:.2f}, between {up} and {down}): "
            "look towards the camera",
        ),
        (
            found.eyes < MIN_EYES,
            f"the eyes are {found.eyes:.0f} px apart where {MIN_EYES:.0f} are needed: "
            "use a larger photo or come nearer",
        ),
        (
            found.light < low,
            f"the face is too dark (mean grey {found.light:.0f}, at least {low:.0f}): add light",
        ),
        (
            found.light > high,
            f"the face is too bright (mean grey {found.light:.0f}, at most {high:.0f}): "
            "take light away",
        ),
        (
            found.contrast < MIN_CONTRAST,
            f"the face has no contrast ({found.contrast:.0f}, at least {MIN_CONTRAST:.0f}): "
            "check light and lens",
        ),
        (
            found.sharpness < MIN_SHARPNESS,
            f"the face is blurred (sharpness {found.sharpness:.3f}, at least {MIN_SHARPNESS}): "
            "hold still and focus",
        ),
    )
    return next((text for broken, text in rules if broken), None)


def check_photo(frame: NDArray[np.uint8], face: Face, name: str) -> PhotoQuality:
    """Refuse a photo that is too poor to enrol from.

    Args:
        frame: uint8 (H, W, 3) BGR.
        face: The one face in it.
        name: Name of the photo, for the message.

    Returns:
        What was measured.

    Raises:
        PhotoError: Too small, turned away, too dark or bright, flat, or blurred; the message says
            which, the measured value, and what to do.
    """
    found = measure(frame, face)
    complaint = _complaint(found)
    if complaint is not None:
        raise PhotoError(f"{name}: {complaint}")
    return found
