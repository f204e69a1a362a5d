"""Lines of the skin and its dark openings: what age, folds, lids, lips and nostrils draw.

Compiled, per sample; the relief that goes with the lines is in `shape`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import EYE_Y, RAISE, SEAM, SMILE, bell, smoothstep
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.raster import value_noise

__all__ = ["lines", "openings"]

CREASE, HOOD, EPI, LASHES = _N["crease"], _N["hood"], _N["epicanthus"], _N["lashes"]
NOSTRIL, AGE, FOLDS, BAGS = _N["nostril"], _N["age"], _N["folds"], _N["eye_bags"]
DETAIL, LINER = _N["detail"], _N["liner"]


@njit(cache=True, fastmath=True)
def lines(tx: float, ty: float, f: Any, e: Any, upper: float, lx: float) -> float:
    """Return how much creases darken the skin, 0..1."""
    sx = abs(tx)
    dark = 0.0
    if ty < -8.6:
        return dark
    crease = upper + 0.30 + 0.07 * f[CREASE] - 0.12 * (lx / 1.5) ** 2
    strength = (0.50 - 0.25 * f[HOOD]) * (1.0 - 0.75 * f[EPI])
    dark += strength * bell(lx - 0.1, EYE_Y + crease - ty, 0.85, 0.055)
    line = sx - (1.98 + (-4.0 - ty) * 0.42)
    fold = max(0.0, 0.04 + 0.08 * f[FOLDS] + 0.12 * e[SMILE])
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
def openings(
    tx: float, ty: float, lx: float, upper: float, lower: float, f: Any, lips: float
) -> float:
    """Return the darkness of nostrils, the lips' seam, lashes and lid rims, 0..1."""
    sx = abs(tx)
    wide = 0.40 + 0.05 * f[NOSTRIL]
    away = np.sqrt(((sx - 0.74) / wide) ** 2 + ((ty + 4.47) / 0.15) ** 2)
    dark = 0.82 * smoothstep(1.35, 0.45, away)
    seam = np.exp(-(((ty - SEAM) / 0.055) ** 2)) * smoothstep(2.62, 2.25, sx)
    dark = max(dark, 0.80 * seam, 0.35 * bell(sx - 2.60, ty - SEAM, 0.10, 0.09))
    half = 1.5
    if -1.08 * half < lx < 1.16 * half:
        outer = smoothstep(-1.0, 0.9, lx / half)
        d = ty - EYE_Y - upper
        thick = 0.045 + 0.05 * f[LASHES] * (0.45 + 0.55 * outer) + 0.07 * f[LINER]
        if d >= -0.02:
            line = 0.40 + 0.25 * f[LASHES] + 0.3 * f[LINER]
            dark = max(dark, min(0.9, line) * np.exp(-((d / thick) ** 2)))
        d = lower + EYE_Y - ty
        if d >= -0.02:
            soft = (0.08 + 0.15 * f[LASHES] * outer + 0.4 * f[LINER] * outer) * np.exp(
                -(((d - 0.05) / 0.06) ** 2)
            )
            dark = max(dark, soft)
    return float(min(0.96, dark))
