"""Clothes on neck and shoulders."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.faces.mesh import CLOTH, Mesh, grid_mesh, tube
from models.training.faces.template import at_rings, head_table, ring_matrix
from models.training.faces.wardrobe import HeadPart

__all__ = ["garments"]

Array = NDArray[np.float64]


def _smooth(low: float, high: float, x: Any) -> Any:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _neckline(head: HeadPart, x: Array, z: Array) -> Array:
    """Return the height that a garment reaches up to at template points, centimetres."""
    a = np.abs(x)
    deep = head.neckline
    # The neck's foot: low in front, high behind.
    crew = -16.7 + 1.5 * (a / 5.6) ** 2
    front = {
        "crew": crew,
        "vneck": crew - (2.0 + 4.0 * deep) * np.clip(1 - a / 4.4, 0, 1),
        "collar": crew - (1.0 + 3.0 * deep) * np.clip(1 - a / 3.2, 0, 1),
        "turtle": -12.75 - 0.8 * deep + 0 * a,
        "scoop": np.minimum(crew, -18.2 - 2.2 * deep + 2.0 * (a / 8.0) ** 3),
        "hoodie": crew - 0.3,
    }[head.garment]
    back = -12.9 if head.garment == "turtle" else -15.1 - (1.5 if head.garment == "scoop" else 0)
    s = _smooth(-3.0, 2.0, z)
    return np.asarray(front * s + back * (1 - s))


def _body(head: HeadPart) -> Mesh:
    rings, angles = np.linspace(13.6, 20.6, 40), np.linspace(-np.pi, np.pi, 81)
    operator = ring_matrix(rings)
    p = at_rings(operator @ head_table(head), angles)
    t = at_rings(operator @ head_table(None), angles)
    margin = _neckline(head, t[..., 0], t[..., 2]) - t[..., 1]
    loose = {"turtle": 0.30, "hoodie": 0.8, "collar": 0.5}.get(head.garment, 0.35)
    seed = float(head.hair_seed)
    folds = 0.22 * np.sin(t[..., 0] * 0.55 + 0.35 * t[..., 1] + seed)
    folds = folds + 0.16 * np.sin(t[..., 0] * 1.15 - 0.5 * t[..., 1] + 1.7 * seed)
    away = loose * (0.45 + 0.55 * _smooth(0.0, 1.5, margin))
    away = np.maximum(away + folds * _smooth(0.5, 5.0, margin), 0.4 * loose) + 0.3 * _smooth(
        3, 9, margin
    )
    centre = np.stack([0 * t[..., 0], p[..., 1] - 2.0, -2.0 + 0 * t[..., 0]], -1)
    out = p - centre
    p = p + out / np.linalg.norm(out, axis=-1, keepdims=True) * away[..., None]
    uv = np.stack([t[..., 0], t[..., 1], margin, np.full_like(margin, 0.03)], -1)
    return grid_mesh(p, uv, CLOTH)


def _strip(head: HeadPart, degrees: Array, top: Array, low: Array, far: float) -> Mesh:
    """A collar's half: from `top` to `low` (rings), standing off by `far` at its lower edge."""
    angles = np.radians(degrees)
    rows = []
    table = head_table(head)
    for k in np.linspace(0, 1, 7):
        ring = top + (low - top) * k
        p = np.diagonal(at_rings(ring_matrix(ring) @ table, angles)).T
        out = np.stack([np.sin(angles), 0.25 + 0 * angles, np.cos(angles)], -1)
        rows.append(p + out * (0.45 + far * np.sin(k * 2.2) + 0.25 * k))
    points = np.stack(rows)
    uv = np.zeros((*points.shape[:2], 4))
    uv[..., 0], uv[..., 1], uv[..., 2] = points[..., 0], points[..., 1] - 20.0, 3.0
    return grid_mesh(points, uv, CLOTH)


def _collar(head: HeadPart) -> list[Mesh]:
    halves = []
    for side in (-1.0, 1.0):
        d = np.linspace(8 + 10 * head.neckline, 181, 24)
        top = 15.55 - 0.75 * _smooth(0, 80, d)
        low = top + 1.15 + 0.75 * np.exp(-(((d - 22) / 16) ** 2))
        halves.append(_strip(head, side * d, top, low, 0.55))
    return halves


def _lowered_hood(head: HeadPart) -> list[Mesh]:
    """The hood of a hoodie, lying around the neck."""
    turn = np.radians(np.linspace(38, 322, 40))
    base = at_rings(ring_matrix(np.array([16.1])) @ head_table(head), turn)[0]
    out = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], -1)
    back = (1 - np.cos(turn))[:, None]
    path = base + out * (1.2 + 0.5 * back) + np.array([0, 0.4, 0]) * back
    return [tube(path, 1.5, CLOTH, 1.25)]


@lru_cache(maxsize=64)
def garments(head: HeadPart) -> tuple[Mesh, ...]:
    """Return the meshes of a head's clothes."""
    meshes = [_body(head)]
    if head.garment == "collar":
        meshes += _collar(head)
    if head.garment == "hoodie" and head.hair != "hood":
        meshes += _lowered_hood(head)
    return tuple(meshes)
