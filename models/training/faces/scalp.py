"""A flat map of the scalp, on which hair is grown.

Directions from the middle of the skull are laid out around the crown (the azimuthal equidistant
projection): the map's x goes to the picture's right, its y to the front, in radians from the crown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CENTRE", "REACH", "SIDE", "read", "scalp_map"]

CENTRE = (0.0, 1.5, -1.0)
REACH = 2.75  # radians from the crown at the map's edge
SIDE = 72


@njit(cache=True, error_model="numpy")
def _spread(at: Any, values: Any, out: Any) -> None:
    """Write values (R, C, V) at grid points (R, C, 2) into a map (S, S, V), quad by quad."""
    rows, columns, _ = at.shape
    side = out.shape[0]
    scale = (side - 1) / (2.0 * REACH)
    for i in range(rows - 1):
        for j in range(columns - 1):
            for half in range(2):
                i1, j1 = (i + 1, j) if half == 0 else (i + 1, j + 1)
                i2, j2 = (i, j + 1)
                i0, j0 = (i, j) if half == 0 else (i + 1, j)
                ax, ay = (at[i0, j0, 0] + REACH) * scale, (at[i0, j0, 1] + REACH) * scale
                bx, by = (at[i1, j1, 0] + REACH) * scale, (at[i1, j1, 1] + REACH) * scale
                cx, cy = (at[i2, j2, 0] + REACH) * scale, (at[i2, j2, 1] + REACH) * scale
                area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
                if abs(area) < 1e-9:
                    continue
                for y in range(max(0, int(min(ay, by, cy))), min(side, int(max(ay, by, cy)) + 2)):
                    for x in range(
                        max(0, int(min(ax, bx, cx))), min(side, int(max(ax, bx, cx)) + 2)
                    ):
                        w1 = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
                        w2 = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
                        if w1 < -1e-6 or w2 < -1e-6 or w1 + w2 > 1.0 + 1e-6:
                            continue
                        for v in range(values.shape[2]):
                            out[y, x, v] = (
                                (1.0 - w1 - w2) * values[i0, j0, v] + w1 * values[i1, j1, v]
                                + w2 * values[i2, j2, v]
                            )  # fmt: skip


def scalp_map(points: NDArray[Any], values: NDArray[Any], empty: NDArray[Any]) -> NDArray[Any]:
    """Lay values at points of the scalp out on the map.

    Args:
        points: float64 (R, C, 3), a grid of points on the scalp, centimetres.
        values: float64 (R, C, V).
        empty: float64 (V,), what stands where the grid does not reach.

    Returns:
        float64 (SIDE, SIDE, V + 1); the last value is the distance from the middle of the skull.
    """
    away = points - np.array(CENTRE)
    radius = np.linalg.norm(away, axis=-1)
    flat = np.hypot(away[..., 0], away[..., 2]) + 1e-9
    theta = np.arctan2(flat, away[..., 1])
    at = np.stack([away[..., 0], away[..., 2]], axis=-1) / flat[..., None] * theta[..., None]
    out = np.empty((SIDE, SIDE, values.shape[2] + 1))
    out[..., :-1] = empty
    out[..., -1] = 9.5
    _spread(at, np.concatenate([values, radius[..., None]], axis=-1), out)
    return out


@njit(cache=True, fastmath=True)
def read(table: Any, x: float, y: float, value: int) -> float:
    """Return one value of a map between its cells."""
    scale = (SIDE - 1) / (2.0 * REACH)
    fx = min(SIDE - 1.001, max(0.0, (x + REACH) * scale))
    fy = min(SIDE - 1.001, max(0.0, (y + REACH) * scale))
    i, j = int(fy), int(fx)
    a, b = fy - i, fx - j
    top = table[i, j, value] * (1.0 - b) + table[i, j + 1, value] * b
    low = table[i + 1, j, value] * (1.0 - b) + table[i + 1, j + 1, value] * b
    return float(top * (1.0 - a) + low * a)
