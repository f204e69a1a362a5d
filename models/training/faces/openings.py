"""What is seen through the lids and the lips: eyeballs, teeth and tongue. Compiled, per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import LID_LEFT, LID_RIGHT, SMILE, aperture, smoothstep
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.light import KEY
from models.training.faces.raster import value_noise
from models.training.faces.shape import EYE_RADIUS

__all__ = ["eye", "glint", "mouth"]

IRIS_R, PUPIL = _N["iris_r"], _N["pupil"]


@njit(cache=True, fastmath=True)
def eye(
    p: Any, centre: Any, axes: Any, camera: float, f: Any, e: Any, lx: float, ty: float, k: int,
    light: Any, shadow: float, albedo: Any, n: Any,
) -> float:  # fmt: skip
    """Write albedo and normal of the eyeball behind a sample; return its openness 0..1."""
    dx, dy, dz = p[0], p[1], p[2] - camera
    inv = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * inv, dy * inv, dz * inv
    ox, oy, oz = -centre[0], -centre[1], camera - centre[2]
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - EYE_RADIUS * EYE_RADIUS
    disc = b * b - c
    t = -b - np.sqrt(disc) if disc > 0.0 else -b
    nx, ny, nz = ox + t * dx, oy + t * dy, oz + t * dz
    inv = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
    n[0], n[1], n[2] = nx * inv, ny * inv, nz * inv
    # Angle between the surface point and the gaze, in iris radii.
    gx = n[0] * axes[0, 0] + n[1] * axes[0, 1] + n[2] * axes[0, 2]
    gy = n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2]
    r = np.sqrt(gx * gx + gy * gy) * EYE_RADIUS / 0.635
    if n[0] * axes[2, 0] + n[1] * axes[2, 1] + n[2] * axes[2, 2] < 0.0:
        r = 9.0
    white = (0.66, 0.60, 0.56)
    red = smoothstep(0.75, 1.45, abs(lx)) * 0.5
    for ch in range(3):
        albedo[ch] = white[ch] * (1.0 - red * (0.15 if ch == 0 else 0.42))
    corner = smoothstep(-1.14, -1.36, lx)
    for ch in range(3):
        albedo[ch] += corner * ((0.50, 0.22, 0.19)[ch] - albedo[ch])
    turn = np.arctan2(gy, gx)
    fibre = value_noise(turn * 9.0 + 40.0, r * 2.0, 17 + k)
    inside = smoothstep(1.06, 0.94, r)
    pupil = 0.36 + 0.04 * f[PUPIL]
    black = smoothstep(pupil + 0.06, pupil - 0.03, r)
    limbus = smoothstep(0.72, 1.0, r)
    for ch in range(3):
        iris = f[IRIS_R + ch] * (0.65 + 0.9 * fibre) * (1.0 - 0.72 * limbus)
        iris += f[IRIS_R + ch] * 0.5 * smoothstep(0.7, 0.4, r)
        iris = iris * (1.0 - black) + 0.004 * black
        albedo[ch] = albedo[ch] * (1.0 - inside) + iris * inside
    lid = e[LID_LEFT] if k == 0 else e[LID_RIGHT]
    upper, lower = aperture(lx, f, lid, max(0.0, e[SMILE]))
    under = 1.0 - 0.62 * np.exp(-max(0.0, upper - ty) / 0.17)
    above = 1.0 - 0.25 * np.exp(-max(0.0, ty - lower) / 0.09)
    return float(under * above * (1.0 - 0.35 * smoothstep(0.9, 1.5, abs(lx))))


@njit(cache=True, fastmath=True)
def glint(n: Any, v: Any, axes: Any, light: Any, shadow: float) -> float:
    """Return the cornea's mirror image of the key and of a window above, linear."""
    # The cornea bulges: its normal turns faster than the eyeball's near the gaze axis.
    gx = n[0] * axes[0, 0] + n[1] * axes[0, 1] + n[2] * axes[0, 2]
    gy = n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2]
    bulge = 0.55 * smoothstep(0.62, 0.4, np.sqrt(gx * gx + gy * gy))
    x = n[0] + bulge * (gx * axes[0, 0] + gy * axes[1, 0])
    y = n[1] + bulge * (gx * axes[0, 1] + gy * axes[1, 1])
    z = n[2] + bulge * (gx * axes[0, 2] + gy * axes[1, 2])
    inv = 1.0 / np.sqrt(x * x + y * y + z * z)
    x, y, z = x * inv, y * inv, z * inv
    d = 2.0 * (x * v[0] + y * v[1] + z * v[2])
    rx, ry, rz = d * x - v[0], d * y - v[1], d * z - v[2]
    key = rx * light[KEY] + ry * light[KEY + 1] + rz * light[KEY + 2]
    spot = smoothstep(0.93, 0.97, key) * (0.3 + 0.7 * shadow)
    window = smoothstep(0.25, 0.5, ry) * smoothstep(0.9, 0.6, ry) * max(0.0, rz)
    return float(0.9 * spot + 0.05 * window)


@njit(cache=True, fastmath=True)
def mouth(tx: float, part: float, gap: float, f: Any, h: Any, e: Any, out: Any) -> float:
    """Write the colour inside the mouth; return its openness 0..1."""
    a = abs(tx) / 2.5
    local = gap * np.sqrt(max(0.02, 1.0 - a * a))
    depth = part * local
    teeth = 0.30 + 0.30 * max(0.0, e[SMILE]) + 0.10 * min(1.0, gap)
    border = teeth - 0.06 * (abs(np.sin(tx * 4.2)) < 0.12)
    low = local - depth
    out[0], out[1], out[2] = 0.055, 0.014, 0.012
    bright = 0.5
    tongue = smoothstep(0.75, 0.35, low) * smoothstep(0.5, 1.1, local) * smoothstep(1.0, 0.6, a)
    out[0] += 0.26 * tongue
    out[1] += 0.085 * tongue
    out[2] += 0.075 * tongue
    upper = smoothstep(border + 0.03, border - 0.03, depth) * smoothstep(0.93, 0.8, a)
    lower = 0.5 * smoothstep(0.16, 0.12, low) * smoothstep(0.5, 0.9, local)
    lower *= smoothstep(0.75, 0.6, a)
    tooth = max(upper, lower)
    gum = abs(np.sin(tx * 3.9)) ** 0.25
    tone = (0.62 + 0.25 * gum) * (1.0 - 0.62 * a * a)
    for c in range(3):
        white = (0.56, 0.51, 0.43)[c] * tone
        out[c] += tooth * (white - out[c])
    bright += 0.35 * tooth
    return bright * (0.55 + 0.45 * min(1.0, depth / 0.2))
