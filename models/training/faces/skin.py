"""Colour of the skin: pigment, redness, lips, brows, beard, lines. Compiled, per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import (
    EYE_X,
    EYE_Y,
    LID_LEFT,
    LID_RIGHT,
    OPEN,
    RAISE,
    SEAM,
    SMILE,
    aperture,
    bell,
    brow_curve,
    lip_edges,
    region,
    smoothstep,
)  # fmt: skip
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.raster import value_noise
from models.training.faces.wardrobe import HeadPart

__all__ = ["EYE_HOLE", "MOUTH_HOLE", "head_vector", "pigment", "skin"]

EYE_HOLE, MOUTH_HOLE = 1.0, 2.0
SCALE = 0.08  # half height of the seam band that an open mouth stretches

MELANIN, HEMOGLOBIN, UNDERTONE, BLOTCH, HAIR_R, SEED = 0, 1, 2, 3, 4, 7
CLOTH_R, PATTERN, NECKLINE, WRAP_R, FRAME_R = 8, 11, 12, 13, 16

CREASE, HOOD, EPI, LASHES = _N["crease"], _N["hood"], _N["epicanthus"], _N["lashes"]
BROW_DENSITY, BROW_R, DETAIL = _N["brow_density"], _N["brow_r"], _N["detail"]
NOSTRIL, LIP_RED, LIP_DARK, FLUSH = _N["nostril"], _N["lip_red"], _N["lip_dark"], _N["flush"]
AGE, FOLDS, BAGS = _N["age"], _N["folds"], _N["eye_bags"]
FRECKLES, MOLES = _N["freckles"], _N["moles"]
BEARD, MOUSTACHE, STUBBLE = _N["beard"], _N["moustache"], _N["stubble"]


def head_vector(h: HeadPart) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what the shading needs of a head, float64 (19,)."""
    return np.array([
        h.melanin, h.hemoglobin, h.undertone, h.blotch, h.hair_r, h.hair_g, h.hair_b, h.hair_seed,
        h.cloth_r, h.cloth_g, h.cloth_b, h.cloth_pattern, h.neckline, h.wrap_r, h.wrap_g, h.wrap_b,
        h.glasses_r, h.glasses_g, h.glasses_b,
    ], dtype=np.float64)  # fmt: skip


@njit(cache=True, fastmath=True)
def pigment(melanin: float, blood: float, undertone: float) -> tuple[float, float, float]:
    """Return linear RGB albedo of skin by Beer's law from two pigments."""
    m = max(0.0, melanin)
    b = max(0.0, blood)
    return (
        np.exp(-(0.22 + 1.62 * m + 0.06 * b)),
        np.exp(-(0.46 + 1.98 * m + 0.52 * b - 0.03 * undertone)),
        np.exp(-(0.76 + 2.45 * m + 0.52 * b + 0.10 * undertone)),
    )


@njit(cache=True, fastmath=True)
def _beard(tx: float, ty: float, f: Any) -> float:
    """Return how much beard grows here, 0..1, before the styles thin it."""
    sx = abs(tx)
    line = -6.3 + 0.95 * (sx - 2.2)
    full = smoothstep(line + 0.7, line - 0.5, ty) * smoothstep(1.5, 2.9, sx)
    low = smoothstep(-7.7, -8.5, ty)
    chin = max(full, low * (1.0 - 0.4 * bell(sx - 1.3, ty + 8.0, 0.6, 0.4)))
    growth = max(f[BEARD] * chin, f[BEARD] * 0.7 * bell(tx, ty + 8.0, 0.4, 0.4))
    lip, _ = lip_edges(tx, f)
    over = smoothstep(lip - 0.02, lip + 0.2, ty) * smoothstep(-4.7, -5.2, ty)
    over *= smoothstep(3.1, 2.5, sx - 0.25 * (-5.2 - ty)) * (1.0 - 0.5 * bell(tx, 0.0, 0.18, 1.0))
    side = smoothstep(2.4, 2.8, sx) * smoothstep(3.7, 3.1, sx) * bell(0.0, ty + 6.9, 1.0, 0.8)
    growth = max(growth, f[MOUSTACHE] * over, min(f[BEARD], f[MOUSTACHE]) * side)
    return growth * smoothstep(1.0, 0.76, region(tx, ty))


@njit(cache=True, fastmath=True)
def _lines(tx: float, ty: float, f: Any, e: Any, upper: float, lx: float) -> float:
    """Return how much creases darken the skin, 0..1."""
    sx = abs(tx)
    dark = 0.0
    if ty < -8.6:
        return dark
    crease = upper + 0.30 + 0.07 * f[CREASE] - 0.12 * (lx / 1.5) ** 2
    strength = (0.50 - 0.25 * f[HOOD]) * (1.0 - 0.75 * f[EPI])
    dark += strength * bell(lx - 0.1, EYE_Y + crease - ty, 0.85, 0.055)
    line = sx - (1.98 + (-4.0 - ty) * 0.42)
    fold = max(0.0, 0.10 + 0.10 * f[FOLDS] + 0.20 * e[SMILE])
    dark += fold * bell(line, ty + 5.3, 0.10, 0.85)
    if f[AGE] > 0.25 or e[RAISE] > 0.3:
        wave = 0.12 * np.sin(tx * 1.3 + f[DETAIL]) + 0.1 * value_noise(tx, ty, int(f[DETAIL]))
        rows = np.sin((ty + wave) * 9.5) ** 8
        reach = bell(tx, ty - 3.5, 2.8, 0.6)
        dark += 0.22 * max(0.0, f[AGE] - 0.25 + 0.4 * e[RAISE]) * rows * reach
        foot = np.sin(ty * 9.0 - (lx - 1.8) * ty * 2.0) ** 8
        dark += 0.3 * max(0.0, f[AGE] - 0.3) * foot * bell(lx - 2.2, ty, 0.35, 0.6)
        frown = bell(sx - 0.38, ty - 1.6, 0.05, 0.4)
        dark += 0.3 * max(0.0, f[AGE] - 0.35) * frown
        marionette = bell(sx - 2.85 - 0.15 * (-6.8 - ty), ty + 7.4, 0.07, 0.45)
        dark += 0.3 * max(0.0, f[AGE] - 0.35) * marionette
    bag = max(0.0, 0.10 + 0.09 * f[BAGS])
    dark += bag * bell(lx + 0.35, ty + 1.35 - 0.22 * lx * lx, 0.8, 0.09)
    return min(0.8, dark)


@njit(cache=True, fastmath=True)
def _pigments(tx: float, ty: float, tz: float, f: Any, h: Any) -> tuple[float, float]:
    """Return (melanin, blood) with the face's regional changes and marks."""
    sx = abs(tx)
    inside = smoothstep(0.99, 0.85, region(tx, ty))
    m, b = h[MELANIN], h[HEMOGLOBIN] * 0.6
    # A slanted plane through the head: no seam, and no streaks where the skin faces sideways.
    across, down = tx + 0.75 * tz, ty + 0.35 * tz
    coarse = value_noise(across * 0.8, down * 0.8, int(h[SEED])) - 0.5
    fine = value_noise(across * 6.0, down * 6.0, int(h[SEED]) + 1) - 0.5
    m += h[BLOTCH] * (0.05 * coarse + 0.035 * fine)
    b += h[BLOTCH] * (0.22 * coarse + 0.25 * fine)
    rosy = 0.40 * bell(sx - 3.7, ty + 3.2, 1.2, 1.1) + 0.34 * bell(tx, ty + 3.7, 0.9, 0.6)
    rosy += 0.22 * bell(sx - 1.3, ty + 4.0, 0.5, 0.4) + 0.14 * bell(tx, ty + 9.8, 1.2, 0.7)
    b += inside * max(0.2, 1.0 + 0.35 * f[FLUSH]) * rosy
    socket = bell(sx - 2.9, ty + 0.6, 1.35, 0.75)
    m += inside * (0.05 + 0.018 * f[BAGS]) * socket
    b += inside * 0.20 * socket
    if f[FRECKLES] > 0.0:
        dots = value_noise(tx * 4.3 + 7.0, ty * 4.3, int(f[DETAIL]))
        where = bell(tx, ty + 2.8, 3.4, 1.5) + 0.25
        m += inside * 0.35 * f[FRECKLES] * smoothstep(0.66, 0.85, dots) * min(1.0, where)
    if f[MOLES] > 0.35:
        for k in range(int(f[MOLES] * 4.99)):
            mx = (value_noise(k * 3.1, 0.5, int(f[DETAIL])) - 0.5) * 11.0
            my = -9.5 + 13.0 * value_noise(0.5, k * 2.7, int(f[DETAIL]) + 9)
            r = 0.07 + 0.07 * value_noise(k * 1.7, k * 2.1, int(f[DETAIL]) + 4)
            m += inside * 0.55 * bell(tx - mx, ty - my, r, r)
    return m, b


@njit(cache=True, fastmath=True)
def _brow(tx: float, ty: float, f: Any) -> float:
    """Return the brow hair's cover 0..1."""
    if ty < 0.4 or ty > 4.0:
        return 0.0
    y, thick, t = brow_curve(abs(tx), f)
    if t < -0.12 or t > 1.06:
        return 0.0
    d = (ty - y) / thick
    ends = smoothstep(-0.10, 0.16, t) * smoothstep(1.06, 0.9, t)
    body = smoothstep(1.25, 0.55, abs(d)) * ends
    if body <= 0.0:
        return 0.0
    # Hairs rise steeply near the nose and lie down toward the ear.
    lean = 1.2 - 1.5 * t
    hairs = value_noise((abs(tx) - lean * (ty - y)) * 8.0, (ty - y) * 2.5 + abs(tx), int(f[DETAIL]))
    cover = body * (0.55 + 0.9 * hairs) * f[BROW_DENSITY] * (0.8 + 0.2 * smoothstep(0.0, 0.4, t))
    return min(0.95, cover)


@njit(cache=True, fastmath=True)
def skin(tx: float, ty: float, tz: float, f: Any, h: Any, e: Any, front: bool) -> Any:
    """Return (red, green, blue, gloss, hole, across hole) of a skin sample.

    Args:
        tx: template coordinate to the picture's right.
        ty: template coordinate up.
        tz: template coordinate forward.
        f: face vector.
        h: head vector.
        e: expression vector.
        front: whether the sample may belong to the inner face.
    """
    if not front or region(tx, ty) >= 1.0:
        # Nothing of the face part may leave its region: only the head's tone counts here.
        r, g, b = _plain(tx, ty, tz, h)
        return r, g, b, 0.35, 0.0, 0.0
    sx = abs(tx)
    lx = sx - EYE_X
    lid = e[LID_LEFT] if tx < 0.0 else e[LID_RIGHT]
    upper = lower = 0.0
    if -2.0 < ty < 2.5 and abs(lx) < 2.0:
        upper, lower = aperture(lx, f, lid, max(0.0, e[SMILE]))
    if upper - lower > 0.015 and lower < ty - EYE_Y < upper:
        return 0.0, 0.0, 0.0, 0.0, EYE_HOLE, lx
    lift = 0.04 * (sx / 2.5) ** 3.5
    part = (SEAM + SCALE / 2 + lift - ty) / SCALE
    if sx < 2.5 and 0.0 < part < 1.0 and e[OPEN] > 0.02:
        return 0.0, 0.0, 0.0, 0.0, MOUTH_HOLE, part
    m, blood = _pigments(tx, ty, tz, f, h)
    near_lips = -8.6 < ty < -4.4 and sx < 3.0
    top, bottom = lip_edges(tx, f) if near_lips else (SEAM, SEAM)
    lips = smoothstep(top + 0.07, top - 0.10, ty) * smoothstep(bottom - 0.12, bottom + 0.13, ty)
    lips *= smoothstep(2.66, 2.25, sx)
    m += lips * (0.06 + 0.16 * f[LIP_DARK] - 0.16 * h[MELANIN])
    blood += lips * (0.50 + 1.15 * f[LIP_RED])
    m += lips * 0.05 * smoothstep(SEAM - 0.1, SEAM + 0.1, ty)
    r, g, b = pigment(m, blood, h[UNDERTONE])
    gloss = 0.35 + 0.35 * bell(tx, ty + 2.5, 0.9, 2.2) + 0.25 * bell(tx, ty - 3.6, 2.5, 1.0)
    gloss += 0.18 * bell(sx - 3.9, ty + 1.9, 1.0, 0.6) + 0.55 * lips * (0.4 + f[LIP_RED])
    dark = _lines(tx, ty, f, e, upper, lx)
    if lips > 0.0:
        dark = max(dark, lips * 0.18 * value_noise(tx * 7.0, ty * 0.8, 3))
    dark = max(dark, _openings(tx, ty, lx, upper, lower, f, lips))
    keep = 1.0 - dark
    # Light that leaves a crease has crossed blood: red survives longest.
    r, g, b = r * keep**0.8, g * keep * keep**0.15, b * keep * keep**0.2
    hair = 0.0
    if ty < -2.0:
        hair, stubble = _whiskers(tx, ty, f)
        # Stubble under the skin's surface darkens and cools it, whatever its own colour.
        r, g, b = r * (1.0 - 0.80 * stubble), g * (1.0 - 0.72 * stubble), b * (1.0 - 0.66 * stubble)
    else:
        hair = _brow(tx, ty, f)
    r = r * (1 - hair) + f[BROW_R] * hair
    g = g * (1 - hair) + f[BROW_R + 1] * hair
    b = b * (1 - hair) + f[BROW_R + 2] * hair
    return r, g, b, gloss * (1.0 - hair) * (1.0 - dark), 0.0, 0.0


@njit(cache=True, fastmath=True)
def _plain(tx: float, ty: float, tz: float, h: Any) -> tuple[float, float, float]:
    m, b = h[MELANIN], h[HEMOGLOBIN] * 0.6
    # A slanted plane through the head: no seam, and no streaks where the skin faces sideways.
    across, down = tx + 0.75 * tz, ty + 0.35 * tz
    coarse = value_noise(across * 0.8, down * 0.8, int(h[SEED])) - 0.5
    fine = value_noise(across * 6.0, down * 6.0, int(h[SEED]) + 1) - 0.5
    m += h[BLOTCH] * (0.05 * coarse + 0.035 * fine)
    b += h[BLOTCH] * (0.22 * coarse + 0.25 * fine)
    return pigment(m, b, h[UNDERTONE])


@njit(cache=True, fastmath=True)
def _openings(
    tx: float, ty: float, lx: float, upper: float, lower: float, f: Any, lips: float
) -> float:
    """Return the darkness of nostrils, the lips' seam, lashes and lid rims, 0..1."""
    sx = abs(tx)
    wide = 0.40 + 0.05 * f[NOSTRIL]
    away = np.sqrt(((sx - 0.74) / wide) ** 2 + ((ty + 4.47) / 0.15) ** 2)
    dark = 0.82 * smoothstep(1.35, 0.45, away)
    seam = np.exp(-(((ty - SEAM) / 0.055) ** 2)) * smoothstep(2.75, 2.35, sx)
    dark = max(dark, 0.80 * seam, 0.45 * bell(sx - 2.62, ty - SEAM, 0.13, 0.11))
    half = 1.5
    if -1.08 * half < lx < 1.16 * half:
        outer = smoothstep(-1.0, 0.9, lx / half)
        d = ty - EYE_Y - upper
        thick = 0.05 + 0.09 * f[LASHES] * (0.45 + 0.55 * outer)
        if d >= -0.02:
            dark = max(dark, (0.55 + 0.4 * f[LASHES]) * np.exp(-((d / thick) ** 2)))
        d = lower + EYE_Y - ty
        if d >= -0.02:
            soft = (0.16 + 0.3 * f[LASHES] * outer) * np.exp(-(((d - 0.05) / 0.06) ** 2))
            dark = max(dark, soft)
    return float(min(0.96, dark))


@njit(cache=True, fastmath=True)
def _whiskers(tx: float, ty: float, f: Any) -> tuple[float, float]:
    """Return the cover of beard and moustache, and of stubble, each 0..1."""
    cover = stubble = 0.0
    if f[BEARD] + f[MOUSTACHE] > 0.0:
        hairs = value_noise(tx * 11.0 + ty * 1.5, ty * 2.6, int(f[DETAIL]) + 3)
        cover = min(0.93, _beard(tx, ty, f) * (0.62 + 0.6 * hairs))
    if f[STUBBLE] > 0.0:
        sx = abs(tx)
        line = -6.0 + 0.95 * (sx - 2.2)
        shade = max(smoothstep(line + 1.0, line - 0.6, ty) * smoothstep(1.6, 3.0, sx),
                    smoothstep(-7.6, -8.4, ty), bell(tx, ty + 5.35, 2.2, 0.35))  # fmt: skip
        top, bottom = lip_edges(tx, f)
        if bottom - 0.05 < ty < top + 0.05 and sx < 2.55:
            shade = 0.0
        dots = value_noise(tx * 9.0, ty * 9.0, int(f[DETAIL]) + 5)
        edge = smoothstep(1.0, 0.76, region(tx, ty))
        stubble = edge * shade * f[STUBBLE] * (0.12 + 0.40 * dots)
    return cover, stubble
