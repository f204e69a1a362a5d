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

SKIN, EAR, FRAME, MASK, CLOTH = 0, 1, 2, 3, 4
HAIR, CURLS, WRAP = 10, 11, 12  # these are cut by the margin in their surface coordinates

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
def _turn(p: Any, n: Any, yaw: float, pitch: float, roll: float, out_p: Any, out_n: Any) -> None:
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    r00, r01, r02 = cr * cy - sr * sp * sy, -sr * cp, cr * sy + sr * sp * cy
    r10, r11, r12 = sr * cy + cr * sp * sy, cr * cp, sr * sy - cr * sp * cy
    r20, r21, r22 = -cp * sy, sp, cp * cy
    x, y, z = p[0], p[1] + 12.0, p[2] + 1.5
    out_p[0] = r00 * x + r01 * y + r02 * z
    out_p[1] = r10 * x + r11 * y + r12 * z - 12.0
    out_p[2] = r20 * x + r21 * y + r22 * z - 1.5
    x, y, z = n[0], n[1], n[2]
    out_n[0] = r00 * x + r01 * y + r02 * z
    out_n[1] = r10 * x + r11 * y + r12 * z
    out_n[2] = r20 * x + r21 * y + r22 * z


@njit(cache=True, fastmath=True)
def _turn_all(p: Any, n: Any, angles: Any, out_p: Any, out_n: Any) -> None:
    for i in range(p.shape[0]):
        # The neck twists: the head turns fully, the chest a little.
        t = min(1.0, max(0.0, (p[i, 1] + 20.0) / 8.5))
        follow = 0.18 + 0.82 * t * t * (3.0 - 2.0 * t)
        _turn(
            p[i], n[i], angles[0] * follow, angles[1] * (follow - 0.18) / 0.82,
            angles[2] * (follow - 0.18) / 0.82, out_p[i], out_n[i],
        )  # fmt: skip


def posed(points: NDArray[Any], normals: NDArray[Any], pose: Pose) -> tuple[F32, F32]:
    """Turn points and normals (N, 3) by a pose about the neck."""
    p = np.ascontiguousarray(points, dtype=np.float32)
    n = np.ascontiguousarray(normals, dtype=np.float32)
    out_p, out_n = np.empty_like(p), np.empty_like(n)
    angles = np.radians([pose.yaw, -pose.pitch, -pose.roll])
    _turn_all(p, n, angles, out_p, out_n)
    return out_p, out_n
