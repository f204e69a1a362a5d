"""Curves of the face in template coordinates, shared by the shape, the paint and the landmarks.

Everything here is compiled; `f` is `FacePart.vector()`, `e` the expression vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.identity import FACE_INDEX
from models.training.faces.scene import Expression

__all__ = [
    "EYE_X", "EYE_Y", "SEAM", "aperture", "bell", "brow_curve", "expression_vector", "lip_edges",
    "region", "smoothstep",
]  # fmt: skip

EYE_X, EYE_Y = 3.15, 0.0
SEAM = -6.5
OPEN, SMILE, RAISE, FROWN, LID_LEFT, LID_RIGHT, GAZE_X, GAZE_Y = range(8)

_EYE_WIDTH, _EYE_OPEN = FACE_INDEX["eye_width"], FACE_INDEX["eye_open"]
_EYE_TILT, _EYE_PEAK = FACE_INDEX["eye_tilt"], FACE_INDEX["eye_peak"]
_EPICANTHUS, _HOOD = FACE_INDEX["epicanthus"], FACE_INDEX["hood"]
_LIP_UPPER, _LIP_LOWER = FACE_INDEX["lip_upper"], FACE_INDEX["lip_lower"]
_LIP_BOW = FACE_INDEX["lip_bow"]
_BROW_ARCH, _BROW_TILT = FACE_INDEX["brow_arch"], FACE_INDEX["brow_tilt"]
_BROW_THICK, _BROW_LENGTH = FACE_INDEX["brow_thick"], FACE_INDEX["brow_length"]
_BROW_GAP = FACE_INDEX["brow_gap"]


def expression_vector(e: Expression) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the expression as float64 (8,), for the compiled code."""
    return np.array(
        [e.mouth_open, e.smile, e.brow_raise, e.brow_frown, e.lid_left, e.lid_right, e.gaze_x,
         e.gaze_y],
        dtype=np.float64,
    )  # fmt: skip


@njit(cache=True, fastmath=True, inline="always")
def bell(dx: float, dy: float, sx: float, sy: float) -> float:
    """Return an axis-aligned Gaussian of height 1."""
    a = dx / sx
    b = dy / sy
    q = 0.5 * (a * a + b * b)
    return np.exp(-q) if q < 12.0 else 0.0


@njit(cache=True, fastmath=True, inline="always")
def smoothstep(low: float, high: float, x: float) -> float:
    """Return the Hermite step from 0 at `low` to 1 at `high`; `low` may exceed `high`."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, fastmath=True)
def region(tx: float, ty: float) -> float:
    """Return the face coordinate: 0 in the middle, 1 at the border that face parts end at."""
    reach = 7.95 if ty < -3.4 else 7.3
    a = abs(tx) / 5.9
    b = abs(ty + 3.4) / reach
    return (a**2.6 + b**2.6) ** (1.0 / 2.6)


@njit(cache=True, fastmath=True)
def aperture(lx: float, f: Any, lid: float, squint: float) -> tuple[float, float]:
    """Return (upper, lower) heights of the eye opening.

    Args:
        lx: centimetres from the eye centre, positive toward the ear.
        f: face vector.
        lid: 0 open .. 1 closed.
        squint: 0..1, raises the lower lid.
    """
    half = 1.50 * (1.0 + 0.055 * f[_EYE_WIDTH])
    u = lx / half
    slant = (0.07 + 0.055 * f[_EYE_TILT]) * lx
    if u <= -1.0 or u >= 1.0:
        return slant, slant
    peak = -0.12 + 0.10 * f[_EYE_PEAK]
    # A peak off the middle: bend u so that 0 moves to `peak`.
    bent = u + peak * (u * u - 1.0)
    upper = (0.44 + 0.075 * f[_EYE_OPEN]) * max(0.0, 1.0 - abs(bent) ** 2.3) ** 0.85
    upper *= 1.0 - 0.25 * f[_HOOD] * smoothstep(-0.2, 1.0, u)
    upper *= 1.0 - 0.45 * f[_EPICANTHUS] * smoothstep(-0.3, -1.0, u)
    low = u - 0.18 * (u * u - 1.0)
    lower = -(0.47 + 0.04 * f[_EYE_OPEN]) * max(0.0, 1.0 - abs(low) ** 2.4) ** 0.9
    lower *= 1.0 - 0.38 * squint
    shut = lower * 0.75
    upper = upper + (shut - upper) * lid
    lower = lower + (shut - lower) * lid * lid
    return slant + max(upper, lower), slant + lower


@njit(cache=True, fastmath=True)
def lip_edges(tx: float, f: Any) -> tuple[float, float]:
    """Return (upper, lower) borders of the lips' red at template column `tx`."""
    a = min(1.0, abs(tx) / 2.52)
    fall = (1.0 - a) ** 0.72 * (1.0 + 0.55 * a)
    bow = (0.10 + 0.05 * f[_LIP_BOW]) * (bell(abs(tx) - 0.62, 0, 0.3, 1) - bell(tx, 0, 0.28, 1))
    upper = max(0.30, 0.70 + 0.14 * f[_LIP_UPPER]) * fall + bow * (1.0 - a)
    lower = max(0.42, 0.92 + 0.15 * f[_LIP_LOWER]) * max(0.0, 1.0 - a**2.2) ** 0.8
    return SEAM + upper, SEAM - lower


@njit(cache=True, fastmath=True)
def brow_curve(sx: float, f: Any) -> tuple[float, float, float]:
    """Return (height, half thickness, position 0 inner .. 1 outer) of the brow at |x| = sx."""
    inner = 1.25 + 0.16 * f[_BROW_GAP]
    t = (sx - inner) / (3.75 + 0.25 * f[_BROW_LENGTH])
    arch = (0.42 + 0.17 * f[_BROW_ARCH]) * np.exp(-(((t - 0.62) / 0.36) ** 2))
    y = 1.72 + arch + (0.05 + 0.22 * f[_BROW_TILT]) * (t - 0.4)
    y -= 0.25 * max(0.0, t - 0.65) ** 1.5
    thick = (0.33 + 0.075 * f[_BROW_THICK]) * (1.0 - 0.72 * max(0.0, t) ** 1.4)
    return y, max(0.05, thick), t
