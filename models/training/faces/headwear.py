"""What is worn on the head: headscarf, beanie, cap, hood, turban."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.faces.mesh import WRAP, Mesh, grid_mesh
from models.training.faces.template import at_rings, head_table, outward, ring_matrix
from models.training.faces.wardrobe import COVERINGS, HeadPart

__all__ = ["headwear"]

Array = NDArray[np.float64]
_CM_PER_RING = 2.3


def _smooth(low: float, high: float, x: Any) -> Any:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _rows(last: float, count: int, head: HeadPart) -> tuple[Array, Array, Array]:
    rings, angles = np.linspace(0.0, last, count), np.linspace(-np.pi, np.pi, 113)
    return rings, angles, at_rings(ring_matrix(rings) @ head_table(head), angles)


def _cloth(p: Array, t: Array, margin: Array, rings: Array, angles: Array) -> Mesh:
    uv = np.stack(
        [angles[None, :] * 7.5 + 0 * margin, rings[:, None] * 2.3 + 0 * margin, margin,
         np.full_like(margin, 0.02)],
        axis=-1,
    )  # fmt: skip
    return grid_mesh(p + outward(p, (0.0, 1.0, -1.0)) * t[..., None], uv, WRAP)


def _framing(head: HeadPart) -> Mesh:
    """A headscarf or a hood, which frame the face."""
    hood = head.hair == "hood"
    rings, angles, p = _rows(18.0, 66, head)
    degrees = np.degrees(np.abs(angles))[None, :]
    y, x = p[..., 1], p[..., 0]
    wide, tall = (6.7, 10.0) if hood else (6.1 + 0.25 * head.hairline, 9.0 + 0.4 * head.hair_wave)
    oval = (np.abs(x) / wide) ** 2.2 + (np.abs(y + (2.2 if hood else 2.8)) / tall) ** 2.2
    margin = np.where((degrees < 82) & (y > -13.5), (oval - 1) * 4, 4.0)
    signed = np.degrees(angles)[None, :]
    seed = float(head.hair_seed)
    folds = 0.22 * np.sin(degrees * 0.15 + rings[:, None] + seed)
    folds = folds + 0.16 * np.sin(signed * 0.22 + rings[:, None] * 1.7 + 2.0 * seed)
    folds = folds * (1 - 0.7 * _smooth(11, 15, rings)[:, None])
    over = _smooth(14.8, 17.0, rings)[:, None]  # it lies over the clothes
    t = 0.55 + 0.6 * _smooth(9, 14, rings)[:, None] + folds + 0.9 * over
    if hood:
        back = _smooth(60, 140, degrees)
        t = 1.3 + 0.7 * back + 0.9 * _smooth(8, 14, rings)[:, None] + 1.3 * folds + 0.6 * over
        t = t + 0.5 * np.exp(-((margin / 0.8) ** 2))
    return _cloth(p, t, margin, rings, angles)


def _beanie(head: HeadPart) -> Mesh:
    rings, angles, p = _rows(6.5, 40, head)
    degrees = np.degrees(np.abs(angles))[None, :]
    low = 3.95 + 1.6 * _smooth(40, 110, degrees) + 0.12 * head.hairline
    margin = (low - rings[:, None]) * _CM_PER_RING
    ribs = 0.05 * np.sin(angles[None, :] * 48.0)
    slack = 0.9 * head.hair_length * _smooth(3.0, 0.0, rings)[:, None]
    t = (
        0.85
        + slack
        + 0.30 * _smooth(3.2, 2.8, margin) * (head.hair_wave > 0.3)
        + ribs
        + 0 * degrees
    )
    return _cloth(p, t, margin, rings, angles)


def _cap(head: HeadPart) -> tuple[Mesh, Mesh]:
    """A baseball cap: its crown and its visor."""
    rings, angles, p = _rows(6.5, 40, head)
    degrees = np.degrees(np.abs(angles))[None, :]
    low = 3.55 + 1.2 * _smooth(30, 120, degrees)
    margin = (low - rings[:, None]) * _CM_PER_RING
    seams = np.exp(-(((degrees % 60 - 30) / 2.0) ** 2)) * _smooth(0.0, 1.0, rings)[:, None]
    creased = 0.10 * np.sin(angles[None, :] * 5.0 + rings[:, None] * 2.0 + head.hair_seed)
    t = 0.85 + 0.8 * _smooth(3.8, 1.5, rings)[:, None] - 0.12 * seams + creased
    crown = _cloth(p, t, margin, rings, angles)
    turn = np.radians(np.linspace(-58, 58, 41))
    edge = at_rings(ring_matrix(np.array([3.5])) @ head_table(head), turn)[0]
    edge = edge + outward(edge, (0.0, 1.0, -1.0)) * 0.9
    out = np.linspace(0, 1, 12)[:, None]
    far = np.cos(turn * 90 / 60)[None, :] ** 0.6 * 6.6
    bow = (np.degrees(turn)[None, :] / 58) ** 2
    visor = np.stack(
        [edge[None, :, 0] * (1 + 0.05 * out),
         edge[None, :, 1] - (1.7 + 0.4 * head.hairline) * out**1.5 - 1.1 * bow * out,
         edge[None, :, 2] + far * out],
        axis=-1,
    )  # fmt: skip
    uv = np.stack(np.broadcast_arrays(turn[None, :] * 9, out * 7, 3.0, 0.02), axis=-1)
    return crown, grid_mesh(visor, uv, WRAP)


def _turban(head: HeadPart) -> Mesh:
    rings, angles, p = _rows(7.5, 48, head)
    degrees = np.degrees(np.abs(angles))[None, :]
    signed = np.degrees(angles)[None, :]
    low = 3.5 + 1.7 * _smooth(35, 100, degrees) + 1.2 * _smooth(100, 160, degrees)
    margin = (low - rings[:, None]) * _CM_PER_RING
    wound = np.abs(np.sin(rings[:, None] * 2.1 + np.abs(signed) * 0.022 + 0.004 * signed))
    t = 1.2 + 1.7 * _smooth(0.2, 2.6, rings)[:, None] * _smooth(-0.2, 3.0, margin) + 0.45 * wound
    return _cloth(p, t, margin, rings, angles)


def headwear(head: HeadPart) -> tuple[Mesh, ...]:
    """Return what a head wears; empty for most."""
    if head.hair not in COVERINGS:
        return ()
    if head.hair == "cap":
        return _cap(head)
    return ({"beanie": _beanie, "turban": _turban}.get(head.hair, _framing)(head),)
