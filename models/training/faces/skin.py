"""Colour of the skin: pigment, redness by region, marks, lips, make-up. Compiled, per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.creases import lines, openings
from models.training.faces.features import (
    EYE_X,
    EYE_Y,
    LID_LEFT,
    LID_RIGHT,
    OPEN,
    SEAM,
    SMILE,
    aperture,
    bell,
    lip_edges,
    region,
    smoothstep,
)  # fmt: skip
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.raster import value_noise
from models.training.faces.wardrobe import GREY, HeadPart, garment_number
from models.training.faces.whiskers import brow, whiskers

__all__ = ["EYE_HOLE", "MOUTH_HOLE", "head_vector", "pigment", "skin", "unrolled"]

EYE_HOLE, MOUTH_HOLE = 1.0, 2.0
SCALE = 0.08  # half height of the seam band that an open mouth stretches

MELANIN, HEMOGLOBIN, UNDERTONE, BLOTCH, HAIR_R, SEED = 0, 1, 2, 3, 4, 7
CLOTH_R, PATTERN, NECKLINE, WRAP_R, FRAME_R, GARMENT = 8, 11, 12, 13, 16, 19

BROW_R, DETAIL = _N["brow_r"], _N["detail"]
LIP_RED, LIP_DARK, FLUSH, BAGS = _N["lip_red"], _N["lip_dark"], _N["flush"], _N["eye_bags"]
FRECKLES, MOLES, SPOTS, AGE = _N["freckles"], _N["moles"], _N["spots"], _N["age"]
SHADOW, SHADOW_R, ROUGE, EVEN = _N["shadow"], _N["shadow_r"], _N["rouge"], _N["foundation"]

# By region: middle and spread in template cm, then what is added to melanin and to blood. Red over
# cheeks, nose, ears and chin, yellow over the forehead: the face's three zones of portrait
# painters; darker and bluer around eyes and mouth. Strengths are chosen by eye.
_ZONES = np.array([
    (3.7, -3.0, 1.3, 1.1, 0.0, 0.42), (0.0, -3.7, 0.9, 0.6, 0.0, 0.34),
    (1.3, -4.0, 0.5, 0.4, 0.0, 0.26), (0.0, -9.8, 1.2, 0.7, 0.0, 0.15),
    (0.0, 3.7, 3.0, 1.3, 0.015, -0.14), (2.7, -0.95, 1.2, 0.42, 0.045, 0.16),
    (3.1, 0.75, 1.3, 0.50, 0.035, 0.20), (0.0, -6.4, 2.6, 1.5, 0.02, -0.08),
    (2.2, 0.2, 0.5, 0.9, 0.04, 0.16),
])  # fmt: skip


def head_vector(h: HeadPart) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what the shading needs of a head, float64 (20,)."""
    hair = np.array([h.hair_r, h.hair_g, h.hair_b])
    hair = hair + (np.array(GREY) - hair) * h.hair_grey
    return np.array([
        h.melanin, h.hemoglobin, h.undertone, h.blotch, *hair, h.hair_seed,
        h.cloth_r, h.cloth_g, h.cloth_b, h.cloth_pattern, h.neckline, h.wrap_r, h.wrap_g, h.wrap_b,
        h.glasses_r, h.glasses_g, h.glasses_b, garment_number(h),
    ], dtype=np.float64)  # fmt: skip


@njit(cache=True, fastmath=True)
def pigment(melanin: float, blood: float, undertone: float) -> tuple[float, float, float]:
    """Return linear RGB albedo of skin by Beer's law from two pigments."""
    m = max(0.0, melanin) ** 1.3  # so that equal steps look about equal
    b = max(0.0, blood)
    return (
        np.exp(-(0.22 + 1.62 * m + 0.06 * b)),
        np.exp(-(0.46 + 1.98 * m + 0.52 * b - 0.03 * undertone)),
        np.exp(-(0.76 + 2.45 * m + 0.52 * b + 0.10 * undertone)),
    )


@njit(cache=True, fastmath=True)
def unrolled(tx: float, ty: float, tz: float) -> tuple[float, float]:
    """Return how far around and down the head a template point lies, centimetres.

    Noise that is laid out on these has no streaks where skin faces sideways, and its one seam is at
    the back of the head.
    """
    return float(7.6 * np.arctan2(tx, tz + 1.0)), ty + 0.35 * tz


@njit(cache=True, fastmath=True)
def _mottled(tx: float, ty: float, tz: float, h: Any, even: float) -> tuple[float, float]:
    """Return (melanin, blood) of a head's skin, which varies from patch to patch."""
    seed = int(h[SEED])
    across, down = unrolled(tx, ty, tz)
    wide = value_noise(across * 0.22, down * 0.22, seed + 2) - 0.5
    coarse = value_noise(across * 0.8, down * 0.8, seed) - 0.5
    middle = value_noise(across * 2.3, down * 2.3, seed + 3) - 0.5
    fine = value_noise(across * 6.0, down * 6.0, seed + 1) - 0.5
    k = h[BLOTCH] * even
    m = h[MELANIN] + 0.05 * wide + k * (0.06 * coarse + 0.05 * middle + 0.04 * fine)
    b = h[HEMOGLOBIN] * 0.6 + 0.12 * wide
    b += k * (0.26 * coarse + 0.26 * middle + 0.26 * fine)
    return m, b


@njit(cache=True, fastmath=True)
def _marks(tx: float, ty: float, f: Any) -> float:
    """Return the melanin that freckles, spots of age and moles add."""
    m = 0.0
    if f[FRECKLES] > 0.0:
        dots = value_noise(tx * 4.3 + 7.0, ty * 4.3, int(f[DETAIL]))
        where = bell(tx, ty + 2.8, 3.4, 1.5) + 0.25
        m += 0.35 * f[FRECKLES] * smoothstep(0.66, 0.85, dots) * min(1.0, where)
    if f[SPOTS] > 0.0:
        patch = 0.7 * value_noise(tx * 1.1, ty * 1.1, int(f[DETAIL]) + 21)
        patch += 0.3 * value_noise(tx * 4.0, ty * 4.0, int(f[DETAIL]) + 22)
        where = smoothstep(2.0, 4.5, abs(tx)) + 0.5 * smoothstep(2.5, 4.0, ty)
        m += 0.16 * f[SPOTS] * smoothstep(0.64, 0.76, patch) * min(1.0, where)
    if f[MOLES] > 0.35:
        for k in range(int(f[MOLES] * 4.99)):
            mx = (value_noise(k * 3.1, 0.5, int(f[DETAIL])) - 0.5) * 11.0
            my = -9.5 + 13.0 * value_noise(0.5, k * 2.7, int(f[DETAIL]) + 9)
            r = 0.06 + 0.07 * value_noise(k * 1.7, k * 2.1, int(f[DETAIL]) + 4)
            m += 0.55 * bell(tx - mx, ty - my, r, r)
    return m


@njit(cache=True, fastmath=True)
def _pigments(tx: float, ty: float, tz: float, f: Any, h: Any) -> tuple[float, float]:
    """Return (melanin, blood) with the face's regional changes and marks."""
    sx = abs(tx)
    inside = smoothstep(0.99, 0.85, region(tx, ty))
    m, b = _mottled(tx, ty, tz, h, 1.0 - 0.6 * f[EVEN] * inside)
    even = 1.0 - 0.55 * f[EVEN]
    dark = (1.0 + 0.3 * f[BAGS]) * even
    red = max(0.2, 1.0 + 0.35 * f[FLUSH]) * even
    for k in range(_ZONES.shape[0]):
        z = _ZONES[k]
        w = inside * bell(sx - z[0], ty - z[1], z[2], z[3])
        m += w * z[4] * dark
        b += w * z[5] * red
    if f[ROUGE] > 0.0:
        b += inside * 0.9 * f[ROUGE] * bell(sx - 4.1 - 0.4 * (ty + 2.6), ty + 2.6, 0.9, 0.8)
    # Small vessels show in old and in flushed cheeks.
    vein = value_noise(tx * 3.5, ty * 3.5, int(f[DETAIL]) + 31)
    worn = max(0.0, f[AGE] - 0.35 + 0.15 * f[FLUSH])
    b += (
        inside
        * worn
        * 0.9
        * smoothstep(0.12, 0.0, abs(vein - 0.5))
        * (bell(sx - 3.6, ty + 3.3, 1.2, 0.9) + bell(sx - 1.0, ty + 3.9, 0.6, 0.5))
    )
    return m + inside * _marks(tx, ty, f), b


@njit(cache=True, fastmath=True)
def _shine(sx: float, tx: float, ty: float, f: Any) -> tuple[float, float]:
    """Return (strength, exponent) of the highlight: oily on nose and forehead, dull on cheeks."""
    oily = bell(tx, ty + 2.5, 0.9, 2.2) + 0.8 * bell(tx, ty - 3.6, 2.5, 1.0)
    oily += 0.5 * bell(sx - 3.9, ty + 1.9, 1.0, 0.6) + 0.4 * bell(tx, ty + 9.8, 1.0, 0.7)
    oily += 0.4 * bell(sx - 3.0, ty - 0.8, 1.0, 0.4)
    oily *= 1.0 - 0.4 * f[EVEN]
    return 0.42 + 0.34 * oily, 9.0 + 14.0 * oily


@njit(cache=True, fastmath=True)
def skin(tx: float, ty: float, tz: float, f: Any, h: Any, e: Any, front: bool) -> Any:
    """Return (red, green, blue, gloss, exponent, hole, across hole) of a skin sample.

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
        m, blood = _mottled(tx, ty, tz, h, 1.0)
        r, g, b = pigment(m, blood, h[UNDERTONE])
        return r, g, b, 0.42, 9.0, 0.0, 0.0
    sx = abs(tx)
    lx = sx - EYE_X
    lid = e[LID_LEFT] if tx < 0.0 else e[LID_RIGHT]
    upper = lower = 0.0
    if -2.0 < ty < 2.5 and abs(lx) < 2.0:
        upper, lower = aperture(lx, f, lid, max(0.0, e[SMILE]))
    # The lids have an edge, which is seen below the eye as a moist rim.
    rim = 0.075 if upper - lower > 0.25 else 0.3 * (upper - lower)
    if upper - lower > 0.015 and lower + rim < ty - EYE_Y < upper:
        return 0.0, 0.0, 0.0, 0.0, 0.0, EYE_HOLE, lx
    lift = 0.04 * (sx / 2.5) ** 3.5
    part = (SEAM + SCALE / 2 + lift - ty) / SCALE
    if sx < 2.5 and 0.0 < part < 1.0 and e[OPEN] > 0.02:
        return 0.0, 0.0, 0.0, 0.0, 0.0, MOUTH_HOLE, part
    m, blood = _pigments(tx, ty, tz, f, h)
    lips = 0.0
    if -8.6 < ty < -4.4 and sx < 3.0:
        top, bottom = lip_edges(tx, f)
        ragged = 0.04 * (value_noise(tx * 6.0, ty * 3.0, 8) - 0.5)
        lips = smoothstep(top + 0.07, top - 0.10, ty + ragged)
        lips *= smoothstep(bottom - 0.14, bottom + 0.13, ty - ragged) * smoothstep(2.66, 2.25, sx)
        # A paler line follows the border of the lips.
        m -= 0.05 * h[MELANIN] * bell(0.0, ty - top - 0.10, 1.0, 0.06) * (1.0 - lips)
        m += lips * (0.06 + 0.16 * f[LIP_DARK] - 0.16 * h[MELANIN])
        blood += lips * (0.45 + 1.15 * f[LIP_RED])
        m += lips * 0.05 * smoothstep(SEAM - 0.1, SEAM + 0.1, ty)
    wet = 0.0
    if upper - lower > 0.25 and lower - 0.03 < ty - EYE_Y <= lower + rim:
        wet = smoothstep(lower - 0.03, lower + 0.02, ty - EYE_Y)
        m = m * (1.0 - 0.45 * wet)
        blood += 0.55 * wet
    r, g, b = pigment(m, blood, h[UNDERTONE])
    gloss, power = _shine(sx, tx, ty, f)
    if f[SHADOW] > 0.0 and upper > lower:
        band = (
            f[SHADOW] * smoothstep(upper + 0.75, upper + 0.15, ty) * smoothstep(1.9, 1.3, abs(lx))
        )
        band *= 0.75 if ty > EYE_Y + 0.5 * (upper + lower) else 0.25 * bell(0, ty - lower, 1, 0.25)
        r, g, b = (
            r + (f[SHADOW_R] - r) * band,
            g + (f[SHADOW_R + 1] - g) * band,
            b + (f[SHADOW_R + 2] - b) * band,
        )
    gloss += lips * (0.25 + 0.6 * f[LIP_RED]) + 0.9 * wet
    power += lips * 16.0 + 30.0 * wet
    dark = lines(tx, ty, f, e, upper, lx)
    if lips > 0.0:
        dark = max(dark, lips * 0.24 * value_noise(tx * 7.0, ty * 0.8, 3))
    dark = max(dark, openings(tx, ty, lx, upper, lower, f, lips)) * (1.0 - 0.8 * wet)
    keep = 1.0 - dark
    # Light that leaves a crease has crossed blood: red survives longest.
    r, g, b = r * keep**0.8, g * keep * keep**0.15, b * keep * keep**0.2
    hair = 0.0
    if ty < -2.0:
        hair, stubble = whiskers(tx, ty, f)
        # Stubble under the skin's surface darkens and cools it, whatever its own colour.
        r, g, b = r * (1.0 - 0.80 * stubble), g * (1.0 - 0.72 * stubble), b * (1.0 - 0.66 * stubble)
    else:
        hair = brow(tx, ty, f)
    r = r * (1 - hair) + f[BROW_R] * hair
    g = g * (1 - hair) + f[BROW_R + 1] * hair
    b = b * (1 - hair) + f[BROW_R + 2] * hair
    return r, g, b, gloss * (1.0 - hair) * (1.0 - dark), power, 0.0, 0.0
