"""Turns the average head into somebody: relief, proportions and expression, per vertex."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.features import (
    EYE_X,
    EYE_Y,
    FROWN,
    OPEN,
    RAISE,
    SEAM,
    SMILE,
    bell,
    region,
    smoothstep,
)  # fmt: skip
from models.training.faces.identity import FACE_INDEX, FacePart

__all__ = ["EYE_RADIUS", "bend_face", "eye_centre", "nose_profile", "warp"]

EYE_RADIUS = 1.22
_LID = 0.10
_NOSE_TOP, _NOSE_STEP = 2.4, 0.1

_N = FACE_INDEX
INNER_WIDTH, INNER_LENGTH = _N["inner_width"], _N["inner_length"]
EYE_SPACING, EYE_HEIGHT, EYE_DEPTH = _N["eye_spacing"], _N["eye_height"], _N["eye_depth"]
NOSE_LENGTH, NOSE_WIDTH = _N["nose_length"], _N["nose_width"]
NOSE_TIP, NOSE_TIP_UP, ALAR, NOSTRIL = _N["nose_tip"], _N["nose_tip_up"], _N["alar"], _N["nostril"]
BRIDGE_WIDTH = _N["nose_bridge_width"]
MOUTH_HEIGHT, MOUTH_WIDTH = _N["mouth_height"], _N["mouth_width"]
LIP_UPPER, LIP_LOWER, LIP_CORNER = _N["lip_upper"], _N["lip_lower"], _N["lip_corner"]
BROW_HEIGHT, BROW_RIDGE = _N["brow_height"], _N["brow_ridge"]
CHEEKBONE, CHEEK_FULL, JAW_FULL = _N["cheekbone"], _N["cheek_full"], _N["jaw_full"]
CHIN_PROJECTION, CHIN_WIDTH = _N["chin_projection"], _N["chin_width"]
CHIN_CLEFT, MUZZLE, FOREHEAD = _N["chin_cleft"], _N["muzzle"], _N["forehead"]
FOLDS, EYE_BAGS, ASYMMETRY, BEARD = _N["folds"], _N["eye_bags"], _N["asymmetry"], _N["beard"]
AGE, DETAIL = _N["age"], _N["detail"]


def nose_profile(face: FacePart) -> NDArray[np.float64]:
    """Return the nose's (height, half width) along the midline, float64 (2, 80), centimetres."""
    y = np.array([-9.0, -5.2, -4.85, -4.55, -4.22, -3.65, -3.1, -2.0, -1.0, 0.0, 0.6, 1.3, 2.2, 9])
    tip = 2.08 + 0.27 * face.nose_projection
    bridge = 0.22 * face.nose_bridge
    up = 0.10 * face.nose_tip_up
    h = np.array([
        0, 0, 0.20, 0.85 - up, 1.75 + up * 0.2, tip + up, tip - 0.03, tip * 0.75 + bridge * 0.9,
        tip * 0.52 + bridge, 0.56 + bridge, 0.40 + 0.8 * bridge, 0.22 + 0.3 * bridge, 0, 0,
    ])  # fmt: skip
    h[8] += 0.14 * face.nose_hump
    h[7] += 0.10 * face.nose_hump
    w = 0.10 * face.nose_bridge_width
    width = np.array([
        1.1, 1.1, 1.05, 1.05, 1.08, 1.10 + 0.05 * face.nose_tip, 1.02, 0.88 + w, 0.76 + w, 0.70 + w,
        0.70 + w, 0.9, 1.2, 1.2,
    ])  # fmt: skip
    at = _NOSE_TOP - _NOSE_STEP * np.arange(80)
    fine = np.linspace(-9, 9, 721)
    kernel = np.exp(-0.5 * (np.arange(-14, 15) / 5.0) ** 2)
    smooth = [np.convolve(np.interp(fine, y, v), kernel / kernel.sum(), "same") for v in (h, width)]
    return np.stack([np.interp(at, fine, v) for v in smooth])


@njit(cache=True, fastmath=True)
def warp(tx: float, ty: float, f: Any) -> tuple[float, float]:
    """Return the shift (dx, dy) that a face's proportions give a template point."""
    sx = abs(tx)
    side = 1.0 if tx >= 0.0 else -1.0
    dx = tx * 0.034 * f[INNER_WIDTH]
    dy = ty * 0.030 * f[INNER_LENGTH] if ty < 0.0 else 0.0
    eye = bell(sx - EYE_X, ty - EYE_Y, 1.9, 1.5)
    dx += side * 0.17 * f[EYE_SPACING] * eye
    dy += 0.16 * f[EYE_HEIGHT] * eye + 0.05 * side * f[ASYMMETRY] * eye
    nose = bell(tx, ty + 3.9, 1.9, 1.3)
    dy -= 0.24 * f[NOSE_LENGTH] * nose
    dx += tx * 0.13 * f[NOSE_WIDTH] * bell(tx, ty + 3.9, 2.0, 1.0)
    mouth = bell(tx, ty - SEAM, 3.4, 1.6)
    dy += 0.20 * f[MOUTH_HEIGHT] * mouth
    dx += tx * 0.085 * f[MOUTH_WIDTH] * bell(tx, ty - SEAM, 3.0, 1.1)
    dx += 0.07 * f[ASYMMETRY] * mouth
    dy += 0.11 * f[LIP_CORNER] * bell(sx - 2.5, ty - SEAM, 0.7, 0.7)
    dy += (0.20 * f[BROW_HEIGHT] + 0.05 * side * f[ASYMMETRY]) * bell(sx - 3.0, ty - 2.0, 2.4, 0.7)
    dx += tx * 0.08 * f[CHIN_WIDTH] * bell(tx, ty + 9.8, 3.0, 1.1)
    return dx, dy


@njit(cache=True, fastmath=True)
def _nose(tx: float, ty: float, f: Any, profile: Any) -> float:
    at = (_NOSE_TOP - ty) / _NOSE_STEP
    k = int(at)
    if at < 0.0 or k >= 78 or abs(tx) > 4.0:
        return 0.0
    part = at - k
    h = profile[0, k] * (1 - part) + profile[0, k + 1] * part
    w = profile[1, k] * (1 - part) + profile[1, k + 1] * part
    a = abs(tx) / w
    z = h * np.exp(-0.78 * a**1.9)
    sx = abs(tx)
    ball = 0.16 + 0.09 * f[NOSE_TIP]
    z += ball * bell(tx, ty + 3.65, 0.70, 0.55)
    z += (0.86 + 0.10 * f[ALAR]) * bell(sx - 1.42, ty + 3.95, 0.42, 0.46)
    z -= 0.26 * bell(sx - 2.12, ty + 3.95, 0.26, 0.6)
    z -= (0.38 + 0.1 * f[NOSTRIL]) * bell(sx - 0.75, ty + 4.48, 0.36, 0.15)
    return float(z)


@njit(cache=True, fastmath=True)
def _upper_relief(tx: float, ty: float, f: Any) -> float:
    sx = abs(tx)
    z = -(0.80 + 0.12 * f[EYE_DEPTH]) * bell(sx - 3.05, ty - 0.15, 1.45, 0.95)
    z -= 0.42 * bell(sx - 1.6, ty - 0.45, 0.5, 0.75)
    z += (0.20 + 0.12 * f[BROW_RIDGE]) * bell(sx - 2.7, ty - 1.85, 1.9, 0.55)
    z += 0.10 * f[BROW_RIDGE] * bell(tx, ty - 1.7, 1.2, 0.6)
    z += 0.14 * f[FOREHEAD] * bell(tx, ty - 3.6, 3.0, 1.2)
    z += (0.07 + 0.06 * f[EYE_BAGS]) * bell(sx - 2.9, ty + 1.12, 0.95, 0.28)
    z -= (0.12 + 0.04 * f[EYE_BAGS]) * bell(sx - 2.4, ty + 1.75 - 0.25 * (sx - 2.4), 0.9, 0.28)
    z += (0.30 + 0.16 * f[CHEEKBONE]) * bell(sx - 4.3, ty + 2.1, 1.4, 1.0)
    return z


@njit(cache=True, fastmath=True)
def _lower_relief(tx: float, ty: float, f: Any, smile: float) -> float:
    sx = abs(tx)
    z = (0.16 + 0.16 * f[CHEEK_FULL]) * bell(sx - 3.5, ty + 3.9, 1.4, 1.4)
    z += (-0.16 + 0.20 * f[CHEEK_FULL]) * bell(sx - 4.5, ty + 5.8, 1.3, 1.7)
    z += 0.20 * f[JAW_FULL] * bell(sx - 4.2, ty + 8.0, 1.3, 1.5)
    line = sx - (1.95 + (-4.0 - ty) * 0.42)
    depth = max(0.0, 0.085 + 0.05 * f[FOLDS] + 0.16 * max(0.0, smile))
    z += depth * np.tanh(line / 0.28) * np.exp(-((line / 0.9) ** 2)) * bell(0, ty + 5.2, 1, 0.95)
    z += (0.28 + 0.14 * f[MUZZLE]) * bell(tx, ty + 6.3, 2.4, 1.7)
    z += -0.11 * bell(tx, ty + 5.25, 0.27, 0.45) + 0.06 * bell(sx - 0.52, ty + 5.3, 0.22, 0.5)
    wide = max(0.0, 1.0 - (tx / 2.6) ** 2)
    z += (0.27 + 0.05 * f[LIP_UPPER]) * np.exp(-(((ty + 6.12) / 0.36) ** 2)) * wide
    z += (0.40 + 0.06 * f[LIP_LOWER]) * np.exp(-(((ty + 7.02) / 0.42) ** 2)) * wide**0.8
    z -= 0.34 * np.exp(-(((ty + 6.5) / 0.16) ** 2)) * wide**0.4
    z -= 0.17 * bell(sx - 2.7, ty + 6.55, 0.36, 0.45)
    z -= 0.32 * bell(tx, ty + 8.25, 1.5, 0.40)
    z += (0.34 + 0.17 * f[CHIN_PROJECTION]) * bell(tx, ty + 9.8, 1.35 + 0.2 * f[CHIN_WIDTH], 0.85)
    z -= 0.16 * f[CHIN_CLEFT] * bell(tx, ty + 9.9, 0.2, 0.55)
    z += 0.30 * f[BEARD] * bell(tx, ty + 9.4, 3.0, 1.2)
    return float(z)


@njit(cache=True, fastmath=True)
def _aged(tx: float, ty: float, f: Any, e: Any) -> float:
    """Return the relief of wrinkles and of what sags, centimetres."""
    sx = abs(tx)
    old = f[AGE]
    frown = max(0.0, old - 0.3) + 0.5 * max(0.0, e[FROWN])
    z = -0.10 * min(1.0, frown) * bell(sx - 0.42 - 0.06 * (ty - 1.6), ty - 1.7, 0.10, 0.5)
    much = min(1.0, max(0.0, old - 0.30) + 0.55 * e[RAISE])
    if much > 0.0 and ty > 2.2:
        wave = 0.12 * np.sin(tx * 1.3 + f[DETAIL]) + 0.10 * np.sin(tx * 2.9 + 2.0 * f[DETAIL])
        z -= 0.085 * much * np.sin((ty + wave) * 4.6) ** 6 * bell(tx, ty - 3.7, 2.6, 0.9)
    if old > 0.3:
        late = old - 0.3
        lx = sx - EYE_X
        foot = np.sin(ty * 5.2 - (lx - 1.8) * ty * 1.2) ** 4
        z -= 0.10 * (late + 0.4 * max(0.0, e[SMILE])) * foot * bell(lx - 2.1, ty, 0.42, 0.7)
        z -= 0.16 * late * bell(sx - 2.85 - 0.15 * (-6.8 - ty), ty + 7.6, 0.14, 0.6)
        z += 0.34 * late * bell(sx - 3.5, ty + 8.9, 0.9, 0.8)
        z -= 0.30 * late * bell(sx - 4.1, ty + 4.8, 1.0, 1.0)
        z += 0.16 * late * bell(lx + 0.2, ty + 1.15, 0.8, 0.25)
        z -= 0.10 * late * bell(lx + 0.2, ty + 1.62, 0.9, 0.14)
        z += 0.14 * late * bell(lx, ty - 0.95, 1.3, 0.28)
    return float(z)


@njit(cache=True, fastmath=True)
def _mimic(tx: float, ty: float, e: Any) -> tuple[float, float, float]:
    """Return the shift of an expression, without the jaw's turn."""
    sx = abs(tx)
    side = 1.0 if tx >= 0.0 else -1.0
    corner = bell(sx - 2.5, ty - SEAM, 1.1, 0.85)
    dx = side * (0.36 * max(0.0, e[SMILE]) - 0.10 * e[OPEN]) * corner
    dy = (0.48 * e[SMILE]) * corner
    dz = -0.22 * max(0.0, e[SMILE]) * corner
    dy -= 0.06 * max(0.0, e[SMILE]) * bell(tx, ty - SEAM, 1.5, 0.8)
    dz += 0.38 * max(0.0, e[SMILE]) * bell(sx - 3.5, ty + 3.1, 1.15, 1.0)
    dy += 0.32 * max(0.0, e[SMILE]) * bell(sx - 3.5, ty + 3.0, 1.4, 1.4)
    dy += (0.55 * e[RAISE] - 0.25 * e[FROWN]) * bell(sx - 2.8, ty - 2.2, 2.4, 0.95)
    knit = bell(sx - 1.4, ty - 1.9, 0.9, 0.8)
    dx -= side * 0.22 * e[FROWN] * knit
    dy -= 0.18 * e[FROWN] * knit
    dy += 0.16 * e[OPEN] * bell(tx, ty + 6.0, 1.6, 0.5) * smoothstep(-6.52, -6.44, ty)
    return dx, dy, dz


@njit(cache=True, fastmath=True)
def _jaw_weight(tx: float, ty: float, tz: float) -> float:
    if ty > -6.49 or tz < 0.0:
        return 0.0
    below = SEAM - ty
    a = abs(tx) / 2.55
    lip = np.sqrt(1.0 - a * a) if a < 1.0 else 0.0
    settle = smoothstep(0.0, 2.6, below)
    weight = lip * (1.0 - settle) + settle
    weight *= smoothstep(0.0, 4.5, tz)
    return float(weight * smoothstep(-13.2, -11.6, ty))


@njit(cache=True, fastmath=True)
def eye_centre(base: Any, side: float, f: Any) -> tuple[float, float, float]:
    """Return the eyeball's centre; `base` is where the head puts the template's eye point."""
    dx, dy = warp(side * EYE_X, EYE_Y, f)
    return base[0] + dx, base[1] + dy, base[2] + 0.22 - 0.10 * f[EYE_DEPTH] - EYE_RADIUS


@njit(cache=True, fastmath=True, error_model="numpy")
def bend_face(base: Any, template: Any, f: Any, e: Any, nose: Any, eyes: Any, out: Any) -> None:
    """Write the expressive surface.

    Args:
        base: float64 (R, C, 3), the head without a face.
        template: float32 (R, C, 3).
        f: face vector.
        e: expression vector.
        nose: `nose_profile`, float64 (2, 80).
        eyes: eyeball centres, float64 (2, 3).
        out: float32 (R, C, 3), written.
    """
    angle = np.radians(13.0) * e[OPEN]
    cos, sin = np.cos(angle), np.sin(angle)
    rows, columns, _ = base.shape
    for i in range(rows):
        for j in range(columns):
            tx, ty, tz = template[i, j, 0], template[i, j, 1], template[i, j, 2]
            x, y, z = base[i, j, 0], base[i, j, 1], base[i, j, 2]
            if tz > 1.5 and -12.0 < ty < 6.5:
                inside = 1.0 - smoothstep(0.76, 0.96, region(tx, ty))
                if inside > 0.0:
                    dx, dy = warp(tx, ty, f)
                    x += dx * inside
                    y += dy * inside
                    relief = _nose(tx, ty, f, nose) + _upper_relief(tx, ty, f)
                    relief += _lower_relief(tx, ty, f, e[SMILE]) + _aged(tx, ty, f, e)
                    z += inside * relief
                    z = _over_eye(x, y, z, eyes, 0 if tx < 0.0 else 1, inside)
                ex, ey, ez = _mimic(tx, ty, e)
                x, y, z = x + ex, y + ey, z + ez
            weight = _jaw_weight(tx, ty, tz)
            if weight > 0.0 and angle > 0.0:
                ry, rz = y + 1.0, z - 1.0
                y += weight * (ry * cos - rz * sin - ry)
                z += weight * (ry * sin + rz * cos - rz)
            out[i, j, 0] = x
            out[i, j, 1] = y
            out[i, j, 2] = z


@njit(cache=True, fastmath=True)
def _over_eye(x: float, y: float, z: float, eyes: Any, k: int, inside: float) -> float:
    """Lay the lids over the eyeball: a smooth maximum of the skin and a slightly larger sphere."""
    dx, dy = x - eyes[k, 0], y - eyes[k, 1]
    radius = EYE_RADIUS + _LID
    left = radius * radius - dx * dx - dy * dy
    if left <= 0.0 or inside < 0.5:
        return z
    ball = eyes[k, 2] + np.sqrt(left)
    gap = ball - z
    return float(z + 0.5 * (gap + np.sqrt(gap * gap + 0.02)))
