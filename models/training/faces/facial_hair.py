"""Brows, lashes and beard, hair by hair, on the face's surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.features import (
    EYE_X,
    EYE_Y,
    LID_LEFT,
    LID_RIGHT,
    SMILE,
    aperture,
    brow_curve,
)  # fmt: skip
from models.training.faces.identity import FacePart
from models.training.faces.landmarks import on_surface
from models.training.faces.strands import Strands
from models.training.faces.whiskers import beard

__all__ = ["facial_hair"]

Array = NDArray[np.float64]
_POINTS = 5


def _paths(roots: Array, normals: Array, away: Array, length: Array, bend: Array) -> Array:
    """Return curved paths (N, K, 3) from roots; `away` and `bend` are directions (N, 3)."""
    s = np.linspace(0.0, 1.0, _POINTS)[None, :, None]
    path = roots[:, None] + s * length[:, None, None] * away[:, None]
    path = path + s**2 * length[:, None, None] * bend[:, None]
    return np.asarray(path + normals[:, None] * 0.02)


def _strands(path: Array, normals: Array, colours: Array, width: float) -> Strands:
    count = len(path)
    return Strands(
        path.astype(np.float32),
        np.repeat(normals[:, None], _POINTS, 1).astype(np.float32), colours.astype(np.float32),
        np.full(count, _POINTS, np.int32), width, True,
    )  # fmt: skip


def _tones(rng: np.random.Generator, face: FacePart, count: int, spread: float) -> Array:
    base = np.array([face.brow_r, face.brow_g, face.brow_b])
    return np.asarray(base[None] * np.exp(rng.normal(size=(count, 1)) * spread))


def _on(points: Array, surface: NDArray[Any], normals: NDArray[Any]) -> tuple[Array, Array]:
    n = on_surface(points, normals)
    return on_surface(points, surface), n / (np.linalg.norm(n, axis=1, keepdims=True) + 1e-9)


def _brows(
    face: FacePart, f: Array, surface: NDArray[Any], normals: NDArray[Any], rng: np.random.Generator
) -> Strands:
    count = int(230 * face.brow_density)
    side = np.where(np.arange(count) % 2 == 0, -1.0, 1.0)
    t = rng.uniform(-0.06, 1.0, count)
    d = np.clip(rng.normal(size=count) * 0.5, -1.0, 1.0)
    inner = 1.25 + 0.16 * face.brow_gap
    sx = inner + t * (3.75 + 0.25 * face.brow_length)
    curve = np.array([brow_curve(float(x), f)[:2] for x in sx])
    points = np.stack([side * sx, curve[:, 0] + d * curve[:, 1] * 0.9], -1)
    roots, n = _on(points, surface, normals)
    # Near the nose they stand up, then they lie down; upper and lower rows meet.
    turn = np.radians(np.interp(t, [-0.1, 0.12, 0.4, 1.0], [88, 62, 24, -14]))
    turn = turn - np.radians(24) * d * np.clip(t * 3, 0, 1) + rng.normal(size=count) * 0.16
    away = np.stack([side * np.cos(turn), np.sin(turn), 0 * turn], -1)
    away -= n * np.sum(away * n, axis=1, keepdims=True)
    length = (0.62 + 0.14 * face.brow_thick) * rng.uniform(0.7, 1.1, count)
    bend = np.stack([side * 0.15, -0.12 + 0 * t, 0 * t], -1)
    path = _paths(roots, n, away + 0.10 * n, length, bend - 0.10 * n)
    return _strands(path, n, _tones(rng, face, count, 0.3), 0.045)


def _lashes(
    face: FacePart, f: Array, e: Array, surface: NDArray[Any], normals: NDArray[Any],
    rng: np.random.Generator,
) -> Strands:  # fmt: skip
    roots, directions, lengths = [], [], []
    for k, lid in ((0, e[LID_LEFT]), (1, e[LID_RIGHT])):
        side = -1.0 + 2.0 * k
        for upper, many in ((True, 44), (False, 20)):
            lx = rng.uniform(-1.25, 1.38, many)
            edges = np.array([aperture(float(x), f, lid, max(0.0, e[SMILE])) for x in lx])
            y = edges[:, 0] + 0.02 if upper else edges[:, 1] - 0.02
            roots.append(np.stack([side * (EYE_X + lx), EYE_Y + y], -1))
            fan = 0.42 * lx / 1.4 + 0.08 + rng.normal(size=many) * 0.1
            rise = (0.26 - 0.85 * lid if upper else -0.5) + rng.normal(size=many) * 0.06
            directions.append(np.stack([side * fan, rise, np.full(many, 0.75)], -1))
            long = 0.24 + 0.42 * face.lashes if upper else 0.14 + 0.16 * face.lashes
            lengths.append(long * rng.uniform(0.6, 1.0, many) * (0.7 + 0.3 * (lx + 1.3) / 2.6))
    at, n = _on(np.concatenate(roots), surface, normals)
    away = np.concatenate(directions)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    bend = np.zeros_like(away)
    bend[:, 1] = np.where(away[:, 1] > 0, 0.30, -0.1)
    path = _paths(at, n, away, np.concatenate(lengths), bend)
    return _strands(path, n, _tones(rng, face, len(at), 0.2) * (0.30 - 0.2 * face.liner), 0.022)


@njit(cache=True)
def _taken(points: Any, f: Any, draws: Any, out: Any) -> None:
    for i in range(points.shape[0]):
        out[i] = beard(points[i, 0], points[i, 1], f) > draws[i]


def _beard(
    face: FacePart, f: Array, surface: NDArray[Any], normals: NDArray[Any],
    rng: np.random.Generator, many: int,
) -> Strands | None:  # fmt: skip
    points = np.stack([rng.uniform(-5.6, 5.6, many), rng.uniform(-11.2, -4.6, many)], -1)
    draws = rng.random(many) ** 0.7
    taken = np.zeros(many, np.bool_)
    _taken(points, f, draws, taken)
    points = points[taken]
    if len(points) < 8:
        return None
    roots, n = _on(points, surface, normals)
    count = len(points)
    x, y = points[:, 0], points[:, 1]
    lip = np.exp(-(((y + 5.3) / 0.6) ** 2))
    away = np.stack([0.16 * x + np.sign(x) * lip * 0.8, -0.9 + 0 * x, 0.25 + 0 * x], -1)
    away += rng.normal(size=(count, 3)) * 0.28 + 0.35 * n
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    length = np.where(lip > 0.4, 0.55, 0.35 + 1.5 * max(0.0, face.beard - 0.3))
    length = length * rng.uniform(0.5, 1.1, count)
    bend = np.stack([0 * x, -0.3 + 0 * x, 0.05 * rng.normal(size=count)], -1)
    grey = rng.random((count, 1)) < max(0.0, 1.3 * (face.age - 0.45))
    tones = np.where(grey, 0.30, _tones(rng, face, count, 0.35))
    return _strands(_paths(roots, n, away, length, bend), n, tones, 0.05)


def facial_hair(
    face: FacePart, expression: Array, surface: NDArray[Any], normals: NDArray[Any], many: int
) -> list[Strands]:
    """Return brows, lashes, and a beard where there is one.

    Args:
        face: whose.
        expression: expression vector.
        surface: float32 (R, C, 3), the head's surface, not posed.
        normals: float32 (R, C, 3).
        many: points that are tried for the beard.
    """
    f = face.vector()
    rng = np.random.default_rng([104, int(face.detail)])
    found = [_brows(face, f, surface, normals, rng)]
    found.append(_lashes(face, f, expression, surface, normals, rng))
    if face.beard + face.moustache > 0.0:
        whiskers = _beard(face, f, surface, normals, rng, many)
        if whiskers is not None:
            found.append(whiskers)
    return found
