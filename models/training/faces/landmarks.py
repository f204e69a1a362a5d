"""Where the named points of a face lie on the surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.features import EYE_X, EYE_Y, SEAM, aperture, brow_curve, lip_edges
from models.training.faces.template import GRID

__all__ = ["BOX_ROWS", "dense_points", "five_points", "on_surface"]

_START = 14  # first column of the grid's front half


@njit(cache=True)
def _locate(template: Any, points: Any, surface: Any, out: Any) -> None:
    """Find template points by Newton steps on the grid and read the surface there."""
    rows, columns, _ = template.shape
    for k in range(points.shape[0]):
        tx, ty = points[k, 0], points[k, 1]
        i, j = 30.0, columns / 2.0
        for _step in range(12):
            i0, j0 = min(rows - 2, max(0, int(i))), min(columns - 2, max(0, int(j)))
            a, b = i - i0, j - j0
            dix = template[i0 + 1, j0, 0] - template[i0, j0, 0]
            diy = template[i0 + 1, j0, 1] - template[i0, j0, 1]
            djx = template[i0, j0 + 1, 0] - template[i0, j0, 0]
            djy = template[i0, j0 + 1, 1] - template[i0, j0, 1]
            rx = tx - (template[i0, j0, 0] + a * dix + b * djx)
            ry = ty - (template[i0, j0, 1] + a * diy + b * djy)
            det = dix * djy - djx * diy
            i += min(25.0, max(-25.0, (rx * djy - ry * djx) / det))
            j += min(25.0, max(-25.0, (dix * ry - diy * rx) / det))
            i = min(rows - 1.001, max(0.0, i))
            j = min(columns - 17.0, max(16.0, j))
        i0, j0 = min(rows - 2, int(i)), min(columns - 2, int(j))
        a, b = i - i0, j - j0
        for c in range(3):
            top = surface[i0, j0, c] * (1 - b) + surface[i0, j0 + 1, c] * b
            low = surface[i0 + 1, j0, c] * (1 - b) + surface[i0 + 1, j0 + 1, c] * b
            out[k, c] = top * (1 - a) + low * a


def on_surface(points: NDArray[Any], surface: NDArray[Any]) -> NDArray[np.float64]:
    """Return where template points (K, 2) lie on a grid surface (R, C, 3), float64 (K, 3)."""
    out = np.zeros((len(points), 3))
    _locate(GRID.template, np.asarray(points, np.float64), surface, out)
    return out


def five_points(face: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the template points of eyes, nose tip and mouth corners, float64 (5, 2)."""
    upper, lower = aperture(0.0, face, 0.0, 0.0)
    eye = EYE_Y + 0.5 * (upper + lower)
    return np.array(
        [[-EYE_X, eye], [EYE_X, eye], [0, -3.65], [-2.5, SEAM], [2.5, SEAM]], dtype=np.float64
    )


def _mirrored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points * [-1, 1], points])


def dense_points(face: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 72 template points: brows, lids, nose, lips and jaw line, float64 (72, 2)."""
    brow = np.array([[x, brow_curve(x, face)[0]] for x in np.linspace(1.4, 4.9, 5)])
    lid = []
    for lx in np.linspace(-1.4, 1.4, 5):
        lid.append([EYE_X + lx, EYE_Y + aperture(lx, face, 0.0, 0.0)[0]])
    for lx in (-0.7, 0.0, 0.7):
        lid.append([EYE_X + lx, EYE_Y + aperture(lx, face, 0.0, 0.0)[1]])
    nose = [[0, 0.5], [0, -1], [0, -2.4], [0, -3.65], [0, -4.65]]
    nose += [[-1.6, -4.0], [-0.75, -4.5], [0.75, -4.5], [1.6, -4.0]]
    xs = np.linspace(-2.5, 2.5, 7)
    lips = [[x, lip_edges(x, face)[0]] for x in xs] + [[x, lip_edges(x, face)[1]] for x in xs[1:-1]]
    inner = [[x, SEAM + 0.07] for x in (-1.8, -0.9, 0, 0.9, 1.8)]
    inner += [[x, SEAM - 0.07] for x in (-0.9, 0, 0.9)]
    turn = np.linspace(-80, 80, 17) * np.pi / 180
    jaw = np.stack([5.7 * np.sin(turn), -11.2 + 8.5 * (1 - np.cos(turn)) ** 1.3], -1)
    parts = [_mirrored(brow), _mirrored(np.array(lid)), np.array(nose), np.array(lips)]
    return np.concatenate([*parts, np.array(inner), jaw]).astype(np.float64)


BOX_ROWS = (
    (GRID.template[..., 1] < 6.6) & (GRID.template[..., 1] > -11.0) & (GRID.template[..., 2] > 3.4)
)
