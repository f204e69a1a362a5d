"""Where brows, beard and stubble grow, and the shade that they lay on the skin. Compiled."""

from __future__ import annotations

from typing import Any

from numba import njit

from models.training.faces.features import bell, brow_curve, lip_edges, region, smoothstep
from models.training.faces.identity import FACE_INDEX as _N
from models.training.faces.raster import value_noise

__all__ = ["beard", "brow", "whiskers"]

BROW_DENSITY, DETAIL = _N["brow_density"], _N["detail"]
BEARD, MOUSTACHE, STUBBLE = _N["beard"], _N["moustache"], _N["stubble"]


@njit(cache=True, fastmath=True)
def beard(tx: float, ty: float, f: Any) -> float:
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
def brow(tx: float, ty: float, f: Any) -> float:
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
    cover = body * (0.30 + 0.60 * hairs) * f[BROW_DENSITY] * (0.8 + 0.2 * smoothstep(0.0, 0.4, t))
    return min(0.95, cover)


@njit(cache=True, fastmath=True)
def whiskers(tx: float, ty: float, f: Any) -> tuple[float, float]:
    """Return the cover of beard and moustache, and of stubble, each 0..1."""
    cover = stubble = 0.0
    if f[BEARD] + f[MOUSTACHE] > 0.0:
        hairs = value_noise(tx * 11.0 + ty * 1.5, ty * 2.6, int(f[DETAIL]) + 3)
        cover = min(0.80, beard(tx, ty, f) * (0.40 + 0.55 * hairs))
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
