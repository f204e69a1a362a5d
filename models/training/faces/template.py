"""The head's loft: rings from the crown to the chest, and the grid that samples them.

Centimetres; origin between the ears at eye height, x to the picture's right, y up, z forward.
A vertex keeps its coordinates on the average head ("template coordinates") whoever is drawn,
so that features are placed and painted in one fixed frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.training.faces.wardrobe import HeadPart

__all__ = ["GRID", "Grid", "at_rings", "head_table", "outward", "ring_matrix", "ring_of_height"]

Array = NDArray[np.float64]

# Per ring: front (y, z), side (half width, y, z), back (y, z), squareness front and back.
_RINGS = np.array([
    (11.7, -1.0, 0.02, 11.7, -1.0, 11.7, -1.0, 2.0, 2.0),
    (11.3, 2.0, 3.2, 11.1, -1.0, 11.1, -4.0, 2.0, 2.0),
    (10.1, 5.0, 5.3, 9.8, -1.0, 9.4, -7.0, 2.1, 2.1),
    (8.1, 7.6, 6.8, 7.6, -1.0, 7.0, -8.9, 2.2, 2.2),
    (5.4, 9.2, 7.35, 5.0, -0.8, 4.3, -9.8, 2.4, 2.2),
    (2.4, 9.75, 7.35, 2.2, -0.2, 1.5, -9.6, 2.45, 2.2),
    (0.0, 9.0, 7.05, 0.0, 0.2, -1.0, -9.0, 2.45, 2.2),
    (-2.5, 9.3, 6.85, -2.2, 0.5, -3.0, -8.0, 2.3, 2.2),
    (-4.5, 9.6, 6.6, -4.1, 0.8, -5.0, -7.2, 2.15, 2.2),
    (-6.5, 9.7, 6.25, -5.8, 1.0, -7.0, -6.6, 2.05, 2.2),
    (-8.4, 9.35, 5.75, -7.1, 1.0, -9.0, -6.2, 2.0, 2.2),
    (-10.0, 9.4, 5.3, -8.1, 0.6, -10.5, -6.0, 2.0, 2.2),
    (-11.3, 8.6, 4.95, -8.9, 0.2, -11.5, -5.9, 2.05, 2.2),
    (-11.8, 6.4, 4.65, -10.0, -0.5, -12.3, -5.9, 2.1, 2.2),
    (-12.2, 4.0, 4.75, -11.6, -1.3, -12.9, -6.1, 2.1, 2.2),
    (-14.6, 3.1, 4.95, -13.6, -1.8, -14.4, -6.6, 2.1, 2.2),
    (-17.2, 3.0, 6.3, -15.3, -2.3, -15.6, -7.4, 2.05, 2.2),
    (-18.9, 4.0, 10.2, -16.9, -2.5, -16.9, -8.4, 2.05, 2.2),
    (-21.2, 6.0, 16.2, -19.3, -2.4, -19.4, -9.7, 2.1, 2.2),
    (-26.0, 8.4, 20.6, -24.0, -2.2, -25.5, -10.5, 2.3, 2.2),
    (-38.0, 10.0, 21.5, -38.0, -2.0, -38.0, -11.0, 2.3, 2.3),
    (-75.0, 10.0, 21.0, -75.0, -2.0, -75.0, -11.0, 2.3, 2.3),
])  # fmt: skip
RINGS = len(_RINGS)
# How late a ring rises from its front to its side: the mouth lies flat, the jaw makes a V.
_LIFT = np.full(RINGS, 3.5)
_LIFT[10:15] = (3.0, 2.2, 1.95, 1.95, 2.2)
_RINGS = np.concatenate([_RINGS, _LIFT[:, None]], axis=1)


class Grid(NamedTuple):
    """The sampled template: rows run from the crown down, columns around from the nape."""

    rings: Array  # (R,) ring coordinate of each row
    angles: Array  # (C,) radians, 0 is the front
    operator: Array  # (R, RINGS) interpolates a ring table at the rows
    template: NDArray[np.float32]  # (R, C, 3) template coordinates
    triangles: NDArray[np.int32]  # (T, 3)


def ring_matrix(rings: Array) -> Array:
    """Return the Catmull-Rom operator (N, RINGS) that evaluates a ring table at `rings`."""
    rings = np.clip(rings, 0.0, RINGS - 1.0)
    base = np.minimum(rings.astype(int), RINGS - 2)
    t = rings - base
    weights = (
        -0.5 * t + t**2 - 0.5 * t**3, 1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3, -0.5 * t**2 + 0.5 * t**3,
    )  # fmt: skip
    out = np.zeros((len(rings), RINGS))
    rows = np.arange(len(rings))
    for k, weight in enumerate(weights):
        np.add.at(out, (rows, np.clip(base + k - 1, 0, RINGS - 1)), weight)
    return out


def at_rings(rows: Array, angles: Array) -> Array:
    """Place points on rings.

    Args:
        rows: ring parameters, float64 (N, 10), as in the ring table.
        angles: radians, float64 (C,); 0 is the front, +-pi the back.

    Returns:
        Positions, float64 (N, C, 3), centimetres.
    """
    fy, fz, w, sy, sz, by, bz, nf, nb, nl = (rows[:, k, None] for k in range(10))
    s, front = np.sin(angles)[None, :], (np.abs(angles) <= np.pi / 2 + 1e-9)[None, :]
    a = np.abs(s)
    # Powers of the sine in place of the angle keep columns even in x, where the face looks.
    n = np.where(front, nf, nb)
    along = np.maximum(1.0 - a**n, 0.0) ** (1.0 / n)
    lift = 1.0 - np.where(front, a**nl, a**2.0)
    x = w * s
    y = np.where(front, sy + (fy - sy) * lift, sy + (by - sy) * lift)
    z = np.where(front, sz + (fz - sz) * along, sz + (bz - sz) * along)
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def outward(points: Array, centre: tuple[float, float, float] = (0.0, 1.5, -1.0)) -> Array:
    """Return unit vectors (..., 3) that lead from the middle of the skull to points."""
    d = points - np.array(centre)
    return np.asarray(d / (np.linalg.norm(d, axis=-1, keepdims=True) + 1e-9))


def head_table(head: HeadPart | None) -> Array:
    """Return the ring table (RINGS, 10) of a head; None gives the average."""
    t = _RINGS.copy()
    if head is None:
        return t
    i = np.arange(RINGS)
    skull = np.exp(-(((i - 3.0) / 3.0) ** 2))
    cheek = np.exp(-(((i - 7.0) / 1.8) ** 2))
    jaw = np.exp(-(((i - 11.0) / 1.9) ** 2))
    t[:, 2] *= 1 + 0.030 * head.head_width * np.where(i < 14, 1, 0)
    t[:, 2] += 0.22 * head.temple_width * skull + 0.22 * head.cheek_width * cheek
    t[:, 2] += 0.38 * head.jaw_width * jaw
    t[:, 3] += -0.35 * head.jaw_height * jaw
    chin = np.exp(-(((i - 11.6) / 1.2) ** 2))
    t[:, 7] += -0.07 * head.chin_point * chin
    t[:, 9] += -0.22 * head.chin_point * chin
    t[:, 0] -= 0.35 * head.chin_length * np.exp(-(((i - 12.0) / 1.6) ** 2))
    up = np.clip((5.0 - i) / 5.0, 0, 1)
    t[:, [0, 3, 5]] += 0.45 * head.head_height * up[:, None]
    t[:, 1] -= 0.25 * head.forehead_slope * np.exp(-(((i - 2.5) / 1.5) ** 2))
    t[:, 6] -= 0.5 * head.head_depth * np.exp(-(((i - 4.0) / 4.0) ** 2))
    neck = np.exp(-(((i - 15.0) / 1.5) ** 2))
    t[:, 2] += 0.32 * head.neck_width * neck
    t[:, 1] += 0.25 * head.neck_width * neck
    t[17:, 2] *= 1 + 0.05 * head.shoulder_width
    return t


def ring_of_height(height: Array) -> Array:
    """Return the ring coordinate at which the average midline passes `height` (face side)."""
    fine = np.linspace(0, RINGS - 1, 2101)
    y = np.minimum.accumulate(ring_matrix(fine) @ _RINGS[:, 0])
    return np.interp(-height, -y, fine)


def _row_heights() -> Array:
    above = np.linspace(11.6, 4.6, 26)[:-1]
    face = np.arange(4.6, -6.40, -0.15)
    seam = np.array([-6.46, -6.54])
    chin = np.arange(-6.64, -11.4, -0.15)
    below = np.array([-11.45, -11.6, -11.75, -11.9, -12.1, -12.4, -12.9, -13.6, -14.4, -15.3])
    body = np.array([-16.2, -17.0, -17.8, -18.5, -19.2, -19.9, -20.6, -21.4, -22.5, -24.0])
    return np.concatenate([above, face, seam, chin, below, body, [-26, -29, -33, -38, -50, -75]])


def _triangles(rows: int, columns: int) -> NDArray[np.int32]:
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).ravel()
    quads = np.stack([a, a + columns, a + 1, a + 1, a + columns, a + columns + 1], axis=1)
    return quads.reshape(-1, 3).astype(np.int32)


@lru_cache(maxsize=1)
def _grid() -> Grid:
    rings = ring_of_height(_row_heights())
    front = np.sin(np.linspace(-1, 1, 103) * np.pi / 2) * 0.25 + np.linspace(-1, 1, 103) * 0.75
    front = front * (np.pi / 2)
    back = np.linspace(np.pi / 2, np.pi, 15)[1:]
    angles = np.concatenate([-back[::-1], front, back])
    operator = ring_matrix(rings)
    template = at_rings(operator @ _RINGS, angles).astype(np.float32)
    return Grid(rings, angles, operator, template, _triangles(len(rings), len(angles)))


GRID = _grid()
