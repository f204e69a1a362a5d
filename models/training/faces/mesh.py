"""Small meshes and how they are joined, turned and projected."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.raster import grid_normals
from models.training.faces.scene import Pose
from models.training.faces.template import _triangles as grid_triangles

__all__ = [
    "CLOTH", "CURLS", "EAR", "FRAME", "HAIR", "MASK", "SKIN", "WRAP", "Mesh", "grid_mesh", "joined",
    "posed", "tube",
]  # fmt: skip

SKIN, EAR, FRAME, MASK = 0, 1, 2, 3
HAIR, CURLS, WRAP, CLOTH = (
    10,
    11,
    12,
    13,
)  # cut by the margin in their coordinates

F32 = NDArray[np.float32]


class Mesh(NamedTuple):
    """Triangles with what the shading needs; all float32 but the int32 triangles and kinds."""

    points: F32  # (N, 3) centimetres
    normals: F32  # (N, 3)
    uv: F32  # (N, 4)
    open: F32  # (N,) ambient openness 0..1
    triangles: NDArray[np.int32]  # (T, 3)
    kinds: NDArray[np.int32]  # (T,)


def grid_mesh(points: NDArray[Any], uv: NDArray[Any], kind: int, flip: bool = False) -> Mesh:
    """Make a mesh of a grid of points (R, C, 3) with surface coordinates (R, C, 4)."""
    p = np.ascontiguousarray(points, dtype=np.float32)
    rows, columns = p.shape[:2]
    normals = np.empty_like(p)
    grid_normals(p, normals)
    if flip:
        normals = -normals
    triangles = grid_triangles(rows, columns)
    return Mesh(
        p.reshape(-1, 3), normals.reshape(-1, 3),
        np.ascontiguousarray(uv, dtype=np.float32).reshape(-1, 4),
        np.ones(rows * columns, np.float32), triangles,
        np.full(len(triangles), kind, np.int32),
    )  # fmt: skip


def tube(path: NDArray[Any], radius: float, kind: int, tall: float = 1.0) -> Mesh:
    """Sweep a circle along a path (K, 3); `tall` stretches it upward."""
    path = np.asarray(path, dtype=np.float64)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    up = np.where(np.abs(tangent[:, 2:3]) > 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    a = np.cross(tangent, up)
    a /= np.linalg.norm(a, axis=1, keepdims=True) + 1e-9
    b = np.cross(tangent, a)
    turn = np.linspace(0, 2 * np.pi, 9)
    ring = np.cos(turn)[None, :, None] * a[:, None, :] + np.sin(turn)[None, :, None] * b[:, None, :]
    points = path[:, None, :] + ring * radius * np.array([1.0, tall, 1.0])
    mesh = grid_mesh(points, np.zeros((*points.shape[:2], 4)), kind)
    return mesh._replace(normals=ring.reshape(-1, 3).astype(np.float32))


def joined(meshes: list[Mesh]) -> Mesh:
    """Join meshes into one."""
    starts = np.cumsum([0] + [len(m.points) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.points for m in meshes]), np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uv for m in meshes]), np.concatenate([m.open for m in meshes]),
        np.concatenate(
            [m.triangles + np.int32(s) for m, s in zip(meshes, starts, strict=True)]
        ).astype(np.int32),
        np.concatenate([m.kinds for m in meshes]),
    )  # fmt: skip


@njit(cache=True, fastmath=True)
def _rotation(yaw: float, pitch: float, roll: float, out: Any) -> None:
    """Write the matrix that turns the head, float64 (3, 3)."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    out[0, 0], out[0, 1], out[0, 2] = cr * cy - sr * sp * sy, -sr * cp, cr * sy + sr * sp * cy
    out[1, 0], out[1, 1], out[1, 2] = sr * cy + cr * sp * sy, cr * cp, sr * sy - cr * sp * cy
    out[2, 0], out[2, 1], out[2, 2] = -cp * sy, sp, cp * cy


@njit(cache=True, fastmath=True)
def _turn_all(p: Any, n: Any, angles: Any, out_p: Any, out_n: Any) -> None:
    whole, partly = np.empty((3, 3)), np.empty((3, 3))
    _rotation(angles[0], angles[1], angles[2], whole)
    for i in range(p.shape[0]):
        # The neck twists: the head turns fully, the chest a little.
        t = min(1.0, max(0.0, (p[i, 1] + 20.0) / 8.5))
        r = whole
        if t < 1.0:
            bent = t * t * (3.0 - 2.0 * t)
            _rotation(angles[0] * (0.18 + 0.82 * bent), angles[1] * bent, angles[2] * bent, partly)
            r = partly
        x, y, z = p[i, 0], p[i, 1] + 12.0, p[i, 2] + 1.5
        out_p[i, 0] = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
        out_p[i, 1] = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z - 12.0
        out_p[i, 2] = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z - 1.5
        for c in range(3):
            out_n[i, c] = r[c, 0] * n[i, 0] + r[c, 1] * n[i, 1] + r[c, 2] * n[i, 2]


def posed(points: NDArray[Any], normals: NDArray[Any], pose: Pose) -> tuple[F32, F32]:
    """Turn points and normals (N, 3) by a pose about the neck."""
    p = np.ascontiguousarray(points, dtype=np.float32)
    n = np.ascontiguousarray(normals, dtype=np.float32)
    out_p, out_n = np.empty_like(p), np.empty_like(n)
    angles = np.radians([pose.yaw, -pose.pitch, -pose.roll])
    _turn_all(p, n, angles, out_p, out_n)
    return out_p, out_n
