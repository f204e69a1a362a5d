"""Grows hair, hair by hair: paths on the map of the scalp, lifted off it. Compiled."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.features import smoothstep
from models.training.faces.raster import value_noise
from models.training.faces.scalp import CENTRE, read
from models.training.faces.styles import ASIDE, BACK, OUT, PART, STYLES
from models.training.faces.wardrobe import GREY, HeadPart

__all__ = ["MARGIN", "ROOT", "THICK", "Strands", "grown"]

# Values of the scalp's map: where hair may end, where it may start (both centimetres inside the
# line), and the thickness of the hair.
MARGIN, ROOT, THICK, RADIUS = range(4)
_STEPS = 14
_WIDTHS = {"locs": 0.12, "buzz": 0.04}
_CX, _CY, _CZ = CENTRE


class Strands(NamedTuple):
    """Hairs, or locks too fine to tell apart."""

    points: NDArray[np.float32]  # (N, K, 3) centimetres, from root to tip
    normals: NDArray[np.float32]  # (N, K, 3) of the surface that they lie on
    colours: NDArray[np.float32]  # (N, 3) linear RGB
    shown: NDArray[np.int32]  # (N,) points that are drawn
    width: float  # centimetres
    of_face: bool  # whether a swap carries them over


@njit(cache=True, fastmath=True)
def _flow(kind: int, x: float, y: float, part: float, side: float, pick: float) -> Any:
    """Return the direction of hair on the map, not normalised."""
    # Around the whorl.
    cx, cy = x - 0.06 * side, y + 0.38
    if kind == PART:
        ty = min(0.95, max(-0.35, y))
        px = x - part * (0.7 + 0.3 * ty)
        if abs(px) < 0.02:
            px = 0.02 if pick > 0.5 else -0.02
        return px, 0.9 * (y - ty) - 0.12
    if kind == BACK:
        return -0.25 * x, -1.7 - y if y > -1.5 else -0.2
    if kind == ASIDE:
        top = smoothstep(1.15, 0.55, np.sqrt(x * x + 0.6 * y * y)) * smoothstep(-0.4, 0.2, y)
        norm = 1.0 / (np.sqrt(cx * cx + cy * cy) + 1e-6)
        return (
            cx * norm * (1.0 - top) + top * side * (0.9 + 0.1 * pick),
            cy * norm * (1.0 - top) - top * (0.25 + 0.35 * pick),
        )
    return cx, cy


@njit(cache=True, fastmath=True)
def _place(x: float, y: float, r: float, out: Any) -> None:
    """Write the point that is `r` from the middle of the skull in the direction (x, y)."""
    theta = np.sqrt(x * x + y * y) + 1e-9
    s = np.sin(theta) / theta
    out[0] = _CX + r * s * x
    out[1] = _CY + r * np.cos(theta)
    out[2] = _CZ + r * s * y


@njit(cache=True, fastmath=True)
def _grow_one(
    table: Any, x: float, y: float, style: Any, head: Any, draws: Any, points: Any, normals: Any
) -> int:
    """Grow one strand from (x, y); return how many of its points are shown.

    Args:
        table: map of the scalp.
        x: root on the map.
        y: root on the map.
        style: flow, top, side, curl, clump, hangs, end, aside, part.
        head: wave, seed.
        draws: float64 (8,) of 0..1.
        points: (K, 3), written.
        normals: (K, 3), written.
    """
    steps = points.shape[0]
    kind = int(style[0])
    seed = int(head[1])
    theta = np.sqrt(x * x + y * y)
    on_top = smoothstep(1.35, 0.75, theta)
    length = (style[2] + (style[1] - style[2]) * on_top) * (0.75 + 0.4 * draws[0])
    lock_x = value_noise(x * 5.0, y * 5.0, seed) - 0.5
    lock_y = value_noise(x * 5.0 + 31.0, y * 5.0, seed) - 0.5
    layer = 0.74 + 0.32 * draws[1] + 0.5 * style[4] * lock_y
    if draws[2] < 0.04:
        layer += 0.25 * draws[3]
    turn = 0.9 * style[4] * lock_x + 0.30 * (draws[4] - 0.5)
    cos, sin = np.cos(turn), np.sin(turn)
    end = style[6] + 2.5 * (lock_x + 0.3 * (draws[5] - 0.5))
    if style[5] > 0.0:
        length = min(length, 11.0 * max(0.3, 1.9 - theta) + 1.5 - end)
    rag = 0.55 * (draws[5] - 0.6)
    phase = 6.28 * (draws[6] if style[3] > 0.0 else lock_y * 3.0 + 0.1 * draws[6])
    step = length / (steps - 1)
    hanging = False
    drop = ox = oz = 0.0
    for k in range(steps):
        s = k * step
        if not hanging:
            r = read(table, x, y, RADIUS)
            thick = read(table, x, y, THICK)
            if kind == OUT:
                h = min(1.15 * thick, 0.85 * s) * layer
            else:
                h = 0.03 + thick * layer * smoothstep(0.0, 1.0 + 0.3 * thick, s + 0.12)
            _place(x, y, r + h, points[k])
            _place(x, y, 1.0, normals[k])
            normals[k, 0] -= _CX
            normals[k, 1] -= _CY
            normals[k, 2] -= _CZ
            if k > 0 and read(table, x, y, MARGIN) < rag:
                return k
            fx, fy = _flow(kind, x, y, style[8], style[7], draws[7])
            inv = 1.0 / (np.sqrt(fx * fx + fy * fy) + 1e-6)
            fx, fy = (fx * cos - fy * sin) * inv, (fx * sin + fy * cos) * inv
            if style[5] > 0.0 or kind == BACK:
                # Hair that does not hang into the face slides along its line.
                m = read(table, x, y, MARGIN)
                if m < 1.6:
                    gx = read(table, x + 0.08, y, MARGIN) - read(table, x - 0.08, y, MARGIN)
                    gy = read(table, x, y + 0.08, MARGIN) - read(table, x, y - 0.08, MARGIN)
                    norm = (1.6 - m) * 1.2 / (np.sqrt(gx * gx + gy * gy) + 1e-6)
                    fx += gx * norm
                    fy += gy * norm
                    inv = 1.0 / (np.sqrt(fx * fx + fy * fy) + 1e-6)
                    fx, fy = fx * inv, fy * inv
            go = step / (r + h) * (0.35 if kind == OUT else 1.0)
            x += fx * go
            y += fy * go
            if style[5] > 0.0 and points[k, 1] < 0.5:
                hanging = True
                ox, oz = normals[k, 0], normals[k, 2]
                norm = 1.0 / (np.sqrt(ox * ox + oz * oz) + 1e-6)
                ox, oz = ox * norm, oz * norm
        else:
            drop += step
            for c in range(3):
                points[k, c] = points[k - 1, c]
                normals[k, c] = normals[k - 1, c]
            points[k, 1] -= step
            bulge = 0.10 * np.sin(min(1.0, drop / 6.0) * 3.1416) * step
            points[k, 0] += ox * bulge
            points[k, 2] += oz * bulge
            if points[k, 1] < -14.0 and oz > -0.3:
                points[k, 2] += 0.75 * step * smoothstep(-14.0, -17.0, points[k, 1])
            if points[k, 1] < end:
                return k
        sway = head[0] * (0.45 if style[5] > 0.0 else 0.18) * smoothstep(1.0, 5.0, s)
        points[k, 0] += sway * np.sin(0.85 * s + phase) * (0.6 if hanging else 0.3)
        points[k, 2] += sway * np.cos(0.85 * s + phase) * 0.4
        if style[3] > 0.0:
            around = phase + s * 0.9 / (style[3] + 0.1)
            points[k, 0] += style[3] * np.cos(around) * min(1.0, s)
            points[k, 1] += style[3] * np.sin(around) * min(1.0, s)
            points[k, 2] += style[3] * np.sin(around + 1.0) * 0.6 * min(1.0, s)
    return steps


@njit(cache=True, fastmath=True)
def _grow(
    table: Any, roots: Any, style: Any, head: Any, draws: Any, points: Any, normals: Any, shown: Any
) -> int:
    """Grow strands from those roots that lie on the scalp; return how many."""
    count = 0
    for i in range(roots.shape[0]):
        if count >= points.shape[0]:
            break
        x, y = roots[i, 0], roots[i, 1]
        theta = np.sqrt(x * x + y * y)
        # Few hairs at the very hairline, and each cell of the map by its true area.
        fade = 0.9 * draws[i, 7] ** 3 - 0.2
        if read(table, x, y, ROOT) < fade or draws[i, 3] > np.sin(theta) / (theta + 1e-9):
            continue
        got = _grow_one(table, x, y, style, head, draws[i], points[count], normals[count])
        if got > 1:
            shown[count] = got
            count += 1
    return count


@lru_cache(maxsize=24)
def grown(head: HeadPart, table_of: Any, count: int) -> Strands:
    """Return the hair of a head.

    Args:
        head: whose.
        table_of: gives the map of the scalp for a head, with `MARGIN`, `ROOT` and `THICK`.
        count: how many strands at most.
    """
    style = STYLES[head.hair]
    rng = np.random.default_rng([103, head.hair_seed])
    locs = head.hair == "locs"
    end = {"bob": -8.0 - 3.0 * head.hair_length, "locs": -6.0 - 12.0 * head.hair_length}.get(
        head.hair, -15.0 - 13.0 * head.hair_length
    )
    aside = 1.0 if head.hair_part > 0 else -1.0
    numbers = np.array([
        style.flow, style.top * (0.7 + 0.5 * head.hair_length),
        style.side * (0.8 + 0.3 * head.hair_length), style.curl * (0.7 + 0.6 * head.hair_wave),
        style.clump, float(style.hangs), end, aside, 0.45 * head.hair_part,
    ])  # fmt: skip
    tries = 4 * count
    roots = rng.uniform(-1.0, 1.0, (tries, 2)) * 2.6
    if locs:  # whole locks start at few places
        roots = roots[:130].repeat(tries // 130 + 1, axis=0)[:tries]
        roots = roots[rng.permutation(tries)] + rng.normal(size=(tries, 2)) * 0.012
    draws = rng.random((tries, 8))
    if locs:
        draws[:, [1, 4, 5, 6]] = 0.4 + 0.2 * draws[:, [1, 4, 5, 6]]
    points = np.zeros((count, _STEPS, 3), np.float32)
    normals = np.zeros((count, _STEPS, 3), np.float32)
    shown = np.zeros(count, np.int32)
    wave = 0.15 + head.hair_wave
    table = table_of(head)
    n = _grow(
        table, roots, numbers, np.array([wave, head.hair_seed]), draws, points, normals, shown
    )
    tone = np.exp(rng.normal(size=(n, 1)) * 0.28 - 0.05)
    own = np.array([head.hair_r, head.hair_g, head.hair_b])[None] * tone
    # A strand stands for several hairs, so that grey ones among dark ones show as a mixture.
    uneven = 0.45 * head.hair_grey * (1 - head.hair_grey) * rng.normal(size=(n, 1))
    share = np.clip(head.hair_grey + uneven, 0, 1)
    colour = own + (np.array(GREY)[None] * (0.8 + 0.2 * tone) - own) * share
    return Strands(
        points[:n],
        normals[:n],
        colour.astype(np.float32),
        shown[:n],
        _WIDTHS.get(head.hair, 0.075),
        False,
    )
