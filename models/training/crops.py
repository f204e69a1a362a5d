"""Aligned crops: the closed-form similarity from five landmarks to a template, and the warp."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

TEMPLATES: dict[str, Floats] = {
    "arcface_112_v2": np.array(
        [
            [0.34191607, 0.46157411],
            [0.65653393, 0.45983393],
            [0.500225, 0.64050536],
            [0.37097589, 0.82469196],
            [0.63151696, 0.82325089],
        ],
        dtype=np.float32,
    ),
    "arcface_128": np.array(
        [
            [0.36167656, 0.40387734],
            [0.63696719, 0.40235469],
            [0.50019687, 0.56044219],
            [0.38710391, 0.72160547],
            [0.61507734, 0.72034453],
        ],
        dtype=np.float32,
    ),
}


def similarity(source: Floats, goal: Floats) -> Floats:
    """Find the rotation, scale and shift that bring points nearest to their goals.

    With points as complex numbers, goal = a * source + b has a closed least-squares solution,
    and a can hold no reflection: the same answer as Umeyama's without an SVD.

    Args:
        source: float32 (N, 2) points.
        goal: float32 (N, 2) points.

    Returns:
        float32 (2, 3) matrix for `cv2.warpAffine`.
    """
    start = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    end = goal[:, 0].astype(np.float64) + 1j * goal[:, 1]
    centred = start - start.mean()
    turn = np.vdot(centred, end - end.mean()) / max(np.vdot(centred, centred).real, 1e-12)
    shift = end.mean() - turn * start.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], dtype=np.float32
    )


def crop_matrix(landmarks: Floats, template: str, size: int) -> Floats:
    """The warp from a picture to its aligned crop, float32 (2, 3).

    Pixel centres lie at whole numbers for `cv2.warpAffine`, and the templates count from the
    crop's edge in the same way as the recognisers they come from do: no half-pixel shift.
    """
    return similarity(landmarks, TEMPLATES[template] * size)


def warp(picture: Pixels, matrix: Floats, size: int) -> Pixels:
    """Cut an aligned crop, uint8 (size, size[, C]); the picture's edge goes on outside it."""
    crop = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cast(Pixels, crop)


def jittered(landmarks: Floats, spread: float, rng: np.random.Generator) -> Floats:
    """Landmarks as a detector would find them: off by `spread` eye distances (sd per axis).

    The eye distance is taken as the larger of the eye gap and 0.9 of the eye-to-mouth height, so
    that a profile, whose eyes fall together, is not spared.
    """
    gap = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    height = float(np.linalg.norm(landmarks[:2].mean(axis=0) - landmarks[3:].mean(axis=0)))
    noise = rng.standard_normal((5, 2)) * (max(gap, 0.9 * height) * spread)
    return (landmarks + noise).astype(np.float32)


def between(first: str, first_size: int, second: str, second_size: int) -> Floats:
    """The fixed warp from one template's crop to another's, float32 (2, 3)."""
    return similarity(TEMPLATES[first] * first_size, TEMPLATES[second] * second_size)
