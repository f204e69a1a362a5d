"""What is seen through the lids and the lips: eyeballs, teeth and tongue. Compiled, per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import LID_LEFT, LID_RIGHT, SMILE, aperture, smoothstep
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.light import KEY, KEY_RGB, SIZE, SQUARE, ambient
from models.training.faces.raster import value_noise
from models.training.faces.shape import EYE_RADIUS

__all__ = ["eye", "glint", "mouth"]

IRIS_R, PUPIL, TEETH, AGE, DETAIL = _N["iris_r"], _N["pupil"], _N["teeth"], _N["age"], _N["detail"]
_IRIS = 0.60  # radius in cm: the cornea is 11.7 mm wide (Rüfer et al., Cornea 2005)
# Halves of the upper teeth's widths, from the middle: incisors 8.5 and 6.6 mm, canine 7.6, then
# premolars 7 mm, which the arch turns away from the viewer (Wheeler's Dental Anatomy).
_TEETH = np.array([0.0, 0.80, 1.40, 1.98, 2.40, 2.62, 9.0])
_LENGTHS = np.array([0.0, -0.08, 0.01, -0.07, -0.10, -0.14])


@njit(cache=True, fastmath=True)
def _ball(p: Any, centre: Any, camera: float, n: Any) -> None:
    """Write the eyeball's unit normal where the line of sight through a sample meets it."""
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


@njit(cache=True, fastmath=True)
def _white(lx: float, ty: float, k: int, f: Any, albedo: Any) -> None:
    """Write the sclera: ivory, redder toward the corners, with fine vessels there."""
    far = smoothstep(0.55, 1.45, abs(lx))
    vein = value_noise(lx * 3.0 + 9.0 * k, ty * 9.0 + 0.8 * lx, int(f[DETAIL]) + 71)
    vessels = smoothstep(0.10, 0.0, abs(vein - 0.5)) * smoothstep(0.5, 1.1, abs(lx)) * 0.35
    old = 0.06 * f[AGE]
    red = min(1.0, 0.40 * far + vessels)
    albedo[0] = 0.49 * (1.0 - 0.10 * red) - old * 0.5
    albedo[1] = 0.45 * (1.0 - 0.38 * red) - old
    albedo[2] = 0.42 * (1.0 - 0.42 * red) - 1.6 * old
    # The caruncle lies in the inner corner.
    corner = smoothstep(-1.10, -1.30, lx)
    for c in range(3):
        albedo[c] += corner * ((0.46, 0.20, 0.17)[c] - albedo[c])


@njit(cache=True, fastmath=True)
def eye(
    p: Any, centre: Any, axes: Any, camera: float, f: Any, e: Any, lx: float, ty: float, k: int,
    light: Any, albedo: Any, n: Any,
) -> tuple[float, float]:  # fmt: skip
    """Write albedo and normal of the eyeball behind a sample.

    Returns:
        Openness 0..1, and how near the lower lid is, 0..1.
    """
    _ball(p, centre, camera, n)
    # Angle between the surface point and the gaze, in iris radii.
    gx = n[0] * axes[0, 0] + n[1] * axes[0, 1] + n[2] * axes[0, 2]
    gy = n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2]
    r = np.sqrt(gx * gx + gy * gy) * EYE_RADIUS / _IRIS
    if n[0] * axes[2, 0] + n[1] * axes[2, 1] + n[2] * axes[2, 2] < 0.0:
        r = 9.0
    _white(lx, ty, k, f, albedo)
    if r < 1.15:
        turn = np.arctan2(gy, gx)
        fibre = value_noise(turn * 11.0 + 40.0, r * 1.6, 17 + k)
        fibre = 0.6 * fibre + 0.4 * value_noise(turn * 23.0 + 90.0, r * 2.5, 19 + k)
        inside = smoothstep(1.07, 0.93, r)
        pupil = 0.36 + 0.05 * f[PUPIL]
        black = smoothstep(pupil + 0.05, pupil - 0.04, r)
        limbus = smoothstep(0.70, 1.0, r)
        collar = np.exp(-(((r - pupil - 0.14) / 0.12) ** 2))
        # The cornea gathers light on the iris's far side from the lamp.
        kx = light[KEY] * axes[0, 0] + light[KEY + 1] * axes[0, 1] + light[KEY + 2] * axes[0, 2]
        ky = light[KEY] * axes[1, 0] + light[KEY + 1] * axes[1, 1] + light[KEY + 2] * axes[1, 2]
        gathered = 1.0 - 0.75 * (gx * kx + gy * ky) * EYE_RADIUS / _IRIS
        for c in range(3):
            iris = f[IRIS_R + c] * (0.50 + 1.1 * fibre) * (1.0 - 0.80 * limbus)
            iris += (0.6 * f[IRIS_R + c] + 0.03 * (0.9, 0.55, 0.25)[c]) * collar
            iris = iris * gathered * (1.0 - black) + 0.003 * black
            albedo[c] = albedo[c] * (1.0 - inside) + max(0.0, iris) * inside
    lid = e[LID_LEFT] if k == 0 else e[LID_RIGHT]
    upper, lower = aperture(lx, f, lid, max(0.0, e[SMILE]))
    # The upper lid and its lashes throw a shadow; a thin one lies along the lower lid.
    under = 1.0 - 0.68 * np.exp(-max(0.0, upper - ty) / 0.20)
    above = 1.0 - 0.22 * np.exp(-max(0.0, ty - lower) / 0.09)
    near = under * above * (1.0 - 0.45 * smoothstep(0.75, 1.5, abs(lx)))
    return float(near), float(np.exp(-max(0.0, ty - lower - 0.075) / 0.04))


@njit(cache=True, fastmath=True)
def glint(n: Any, v: Any, axes: Any, light: Any, shadow: float, wet: float, out: Any) -> None:
    """Add the cornea's mirror image of the key and of what is around, linear RGB.

    `wet` is how near the sample is to the lower lid, 0..1: the tears lie there as a bright line.
    """
    # The cornea bulges: its normal turns faster than the eyeball's near the gaze axis.
    gx = n[0] * axes[0, 0] + n[1] * axes[0, 1] + n[2] * axes[0, 2]
    gy = n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2]
    bulge = 0.55 * smoothstep(0.62, 0.4, np.sqrt(gx * gx + gy * gy))
    x = n[0] + bulge * (gx * axes[0, 0] + gy * axes[1, 0])
    y = n[1] + bulge * (gx * axes[0, 1] + gy * axes[1, 1]) + 0.8 * wet
    z = n[2] + bulge * (gx * axes[0, 2] + gy * axes[1, 2])
    inv = 1.0 / np.sqrt(x * x + y * y + z * z)
    x, y, z = x * inv, y * inv, z * inv
    d = 2.0 * (x * v[0] + y * v[1] + z * v[2])
    rx, ry, rz = d * x - v[0], d * y - v[1], d * z - v[2]
    # Where the reflected ray meets the lamp, in tangents of the angle from the lamp's middle.
    kx, ky, kz = light[KEY], light[KEY + 1], light[KEY + 2]
    ahead = rx * kx + ry * ky + rz * kz
    spot = 0.0
    if ahead > 0.2:
        flat = 1.0 / np.sqrt(kx * kx + kz * kz + 1e-6)
        a = (rx * kz - rz * kx) * flat / ahead
        b = (ry - ky * ahead) * np.sqrt(1.0 + ky * ky) / ahead
        size = max(0.13, min(0.42, light[SIZE]))
        away = np.sqrt(a * a + b * b)
        if light[SQUARE] > 0.5:
            away = max(abs(a) * 1.25, abs(b))
        spot = smoothstep(size + 0.05, size - 0.05, away) * (0.25 + 0.75 * shadow)
    for c in range(3):
        out[c] += 0.75 * spot * light[KEY_RGB + c]
        out[c] += 0.05 * ambient(light, rx, ry, rz, c) * (1.0 + 3.0 * wet)


@njit(cache=True, fastmath=True)
def mouth(tx: float, part: float, gap: float, f: Any, e: Any, out: Any) -> tuple[float, float]:
    """Write the colour inside the mouth; return its openness and its gloss, each 0..1.

    Args:
        tx: template column, cm.
        part: 0 at the upper lip .. 1 at the lower.
        gap: distance of the lips in the middle, cm.
        f: face vector.
        e: expression vector.
        out: linear RGB, written.
    """
    sx = abs(tx)
    a = sx / 2.5
    local = gap * np.sqrt(max(0.02, 1.0 - a * a))
    depth = part * local
    low = local - depth
    out[0], out[1], out[2] = 0.05, 0.012, 0.010
    tongue = smoothstep(0.75, 0.30, low) * smoothstep(0.45, 1.0, local) * smoothstep(1.0, 0.55, a)
    for c in range(3):
        out[c] += (0.30, 0.10, 0.09)[c] * tongue
    k = 0
    while sx > _TEETH[k + 1]:
        k += 1
    middle = 0.5 * (_TEETH[k] + _TEETH[k + 1])
    across = min(1.0, abs(sx - middle) / (0.5 * (_TEETH[k + 1] - _TEETH[k])))
    shown = 0.26 + 0.36 * max(0.0, e[SMILE]) + 0.10 * min(1.0, gap) + _LENGTHS[min(5, k)]
    edge = shown - 0.07 * across**6
    upper = smoothstep(edge + 0.03, edge - 0.03, depth) * smoothstep(1.0, 0.9, a)
    # Gums show above the teeth of a wide smile, in scallops.
    gum = smoothstep(
        0.10, 0.02, depth + 0.10 * (1.0 - across**2) - 0.22 * max(0.0, e[SMILE] - 0.55)
    )
    lower = smoothstep(0.20, 0.15, low) * smoothstep(0.45, 0.8, local) * smoothstep(0.8, 0.65, a)
    seam = smoothstep(0.80, 1.0, across)
    if lower > upper:
        seam = 0.8 * smoothstep(0.84, 1.0, abs(2.0 * (sx * 1.9 - np.floor(sx * 1.9)) - 1.0))
    tooth = max(upper, 0.75 * lower)
    tone = (1.0 - 0.45 * seam) * (1.0 - 0.62 * a * a) * (0.93 + 0.07 * np.cos(k * 2.1))
    for c in range(3):
        white = ((0.62, 0.58, 0.52)[c] - f[TEETH] * (0.06, 0.13, 0.24)[c]) * tone
        pink = (0.40, 0.15, 0.14)[c]
        out[c] += tooth * (white + (pink - white) * gum * (1.0 if upper >= lower else 0.0) - out[c])
    # The lips shade the row: its top most.
    bright = (0.45 + 0.40 * tooth) * (0.50 + 0.50 * min(1.0, depth / 0.22))
    return float(bright), float(0.25 + 0.75 * tooth * (1.0 - seam))
