"""Ears, glasses and the surgical mask."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.training.faces.mesh import EAR, FRAME, MASK, Mesh, grid_mesh, tube
from models.training.faces.template import GRID, at_rings, head_table
from models.training.faces.wardrobe import HeadPart

__all__ = ["ears", "face_mask", "glasses", "lens_outlines"]


def _ear(head: HeadPart, side: float) -> Mesh:
    rho = np.linspace(0.0, 1.0, 15)[:, None]
    turn = np.linspace(-np.pi, np.pi, 41)[None, :]
    size = 0.94 + 0.06 * head.ear_size
    # The outline is wide on top and narrows to the lobe.
    b = rho * np.sin(turn) * 3.15 * size
    wide = 1.75 * size * (1.0 + 0.22 * np.clip(b / 3.15, -1, 1))
    a = rho * np.cos(turn) * wide
    front = np.clip(-np.cos(turn), 0, 1)
    rim = np.exp(-(((rho - 0.90) / 0.08) ** 2)) * (1 - 0.75 * front) * np.clip(b + 2.4, 0.2, 1)
    dip = np.exp(-(((rho - 0.74) / 0.09) ** 2)) * (1 - front)
    ridge = np.exp(-(((rho - 0.55) / 0.10) ** 2)) * (1 - front)
    concha = np.exp(-(((a + 0.25) / 0.62) ** 2) - ((b + 0.35) / 0.95) ** 2)
    tragus = np.exp(-(((a + 1.15) / 0.30) ** 2) - ((b + 0.5) / 0.45) ** 2)
    h = 0.30 * rim - 0.28 * dip + 0.12 * ridge - 0.75 * concha + 0.35 * tragus + 0.25
    h = h - 0.5 * np.clip(rho - 0.95, 0, 1) * 10 * 0.3
    flare = np.radians(24 + 7 * head.ear_out)
    table = head_table(head)
    width = float(table[6, 2]) - 0.25
    x = side * (width + np.sin(flare) * (a + 1.3) + h * np.cos(flare))
    z = -0.55 - np.cos(flare) * a + h * np.sin(flare) - 0.18 * b
    y = -0.9 + b + 0 * turn
    points = np.stack(np.broadcast_arrays(x, y, z), -1)
    uv = np.zeros((*points.shape[:2], 4))
    uv[..., 0], uv[..., 1] = side * 99.0, y
    uv[..., 2] = concha
    mesh = grid_mesh(points, uv, EAR)
    outward = np.sign(mesh.normals[:, 0] * side).sum()
    normals = mesh.normals if outward > 0 else -mesh.normals
    hollow = np.clip(1 - 0.6 * concha - 0.35 * dip, 0.25, 1).astype(np.float32).ravel()
    return mesh._replace(normals=normals, open=hollow)


@lru_cache(maxsize=256)
def ears(head: HeadPart) -> tuple[Mesh, Mesh]:
    """Return the left and the right ear."""
    return _ear(head, -1.0), _ear(head, 1.0)


def lens_outlines(head: HeadPart) -> NDArray[np.float64]:
    """Return both lens borders, float64 (2, 40, 3), centimetres."""
    wide = 2.45 + 0.2 * head.glasses_size + (0.25 if head.glasses == "wide" else 0)
    tall = {"round": 2.25, "square": 1.9, "wide": 1.6}[head.glasses] + 0.15 * head.glasses_size
    power = {"round": 2.0, "square": 4.0, "wide": 3.0}[head.glasses]
    turn = np.linspace(0, 2 * np.pi, 41)[:-1]
    c, s = np.cos(turn), np.sin(turn)
    x = wide * np.sign(c) * np.abs(c) ** (2 / power) + 0.12 * wide
    y = tall * np.sign(s) * np.abs(s) ** (2 / power) - 0.35
    x, y = x + 3.05, y + 0.10 * x
    z = 10.35 - 0.038 * x**2
    return np.stack([np.stack([-x, y, z], -1), np.stack([x, y, z], -1)])


@lru_cache(maxsize=256)
def glasses(head: HeadPart) -> tuple[Mesh, ...]:
    """Return the frame's meshes, empty without glasses."""
    if head.glasses == "none":
        return ()
    radius = 0.05 + 0.10 * head.glasses_thick**1.5
    lenses = lens_outlines(head)
    closed = [np.concatenate([lens, lens[:2]]) for lens in lenses]
    meshes = [tube(lens, radius, FRAME, 1.2) for lens in closed]
    inner = float(lenses[1][:, 0].min())
    t = np.linspace(-1, 1, 9)
    bridge = np.stack([t * inner, 0.55 - 0.35 * t**2, 10.45 + 0.12 * (1 - t**2)], -1)
    meshes.append(tube(bridge, radius, FRAME))
    edge = lenses[1][np.argmax(lenses[1][:, 0])]
    width = float(head_table(head)[6, 2]) + 0.15
    for side in (-1.0, 1.0):
        arm = np.array([[edge[0], 0.7, edge[2]], [width - 0.3, 0.75, 5.5], [width, 0.8, -1.0]])
        t = np.linspace(0, 2, 12)
        path = np.stack([np.interp(t, [0, 1, 2], arm[:, k]) for k in range(3)], -1)
        meshes.append(tube(path * np.array([side, 1, 1]), radius, FRAME, 1.5))
    return tuple(meshes)


def face_mask(head: HeadPart) -> Mesh:
    """Return a surgical mask that depends on the head alone, roomy enough for any nose."""
    rows = (GRID.template[:, 103 // 2 + 14, 1] < -1.4) & (GRID.rings < 13.2)
    columns = np.abs(GRID.angles) < np.radians(66)
    base = at_rings((GRID.operator @ head_table(head))[rows][::2], GRID.angles[columns][::2])
    t = GRID.template[rows][:, columns][::2, ::2].astype(np.float64)
    tent = np.exp(-((t[..., 0] / 2.3) ** 2)) * np.exp(-(((t[..., 1] + 3.9) / 1.9) ** 2))
    mouth = np.exp(-((t[..., 0] / 3.6) ** 2)) * np.exp(-(((t[..., 1] + 6.8) / 3.4) ** 2))
    fold = 0.05 * np.sin(t[..., 1] * 3.5) * np.exp(-((t[..., 0] / 4) ** 4))
    base[..., 2] += 0.45 + 3.2 * tent + 1.45 * mouth + fold
    base[..., 0] *= 1.03
    uv = np.zeros((*base.shape[:2], 4))
    uv[..., :2] = t[..., :2]
    return grid_mesh(base, uv, MASK)
