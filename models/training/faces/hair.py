"""Hair, headscarf and beanie: a shell around the skull, cut along a ragged hairline."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.mesh import CURLS, HAIR, WRAP, Mesh, grid_mesh
from models.training.faces.raster import value_noise
from models.training.faces.template import at_rings, head_table, ring_matrix
from models.training.faces.wardrobe import HeadPart

__all__ = ["hair_meshes", "hairline_margin"]

Array = NDArray[np.float64]
_CM_PER_RING = 2.3

# Hairline of a full head of hair: degrees from the front, ring at which hair ends.
_LINE = np.array([
    (0, 3.55), (18, 3.50), (33, 3.45), (44, 3.85), (56, 4.55), (63, 5.6), (70, 6.5), (80, 6.75),
    (88, 6.5), (96, 5.7), (106, 5.9), (118, 7.4), (135, 9.0), (180, 9.6),
])  # fmt: skip


def _smooth(low: float, high: float, x: Any) -> Any:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def hairline_margin(head: HeadPart, rings: Array, angles: Array) -> Array:
    """Return how far inside the hairline a scalp point lies, float64 (R, C), centimetres."""
    degrees = np.degrees(np.abs(angles))
    line = np.interp(degrees, _LINE[:, 0], _LINE[:, 1])
    front = np.clip(1 - degrees / 62, 0, 1)
    line = line - 0.22 * head.hairline * np.minimum(front * 3, 1) - 0.1
    if head.hair == "receding":
        line = np.where(degrees < 75, np.minimum(line, 1.6 + 3.2 * (degrees / 75) ** 3), line)
    if head.hair in ("tied", "bun"):
        line = np.where(degrees > 100, np.minimum(line, 8.2), line)
    return np.asarray((line[None, :] - rings[:, None]) * _CM_PER_RING)


def _noise(a: Array, b: Array, seed: int) -> Array:
    out = np.empty(a.size)
    _fill_noise(np.ravel(a), np.ravel(b), seed, out)
    return out.reshape(a.shape)


@njit(cache=True)
def _fill_noise(a: Any, b: Any, seed: int, out: Any) -> None:
    for i in range(out.size):
        out[i] = value_noise(a[i], b[i], seed)


def _outward(points: Array, centre: tuple[float, float, float]) -> Array:
    d = points - np.array(centre)
    return np.asarray(d / (np.linalg.norm(d, axis=-1, keepdims=True) + 1e-9))


def _thickness(head: HeadPart, angles: Array, rings: Array, margin: Array) -> Array:
    """Return the shell's distance from the scalp, float64 (R, C), centimetres."""
    degrees = np.degrees(angles)[None, :]
    top = 1 - _smooth(2.5, 5.5, rings)[:, None]
    table = {
        "short": (1.5, 0.55), "side": (2.0, 0.75), "fringe": (1.5, 1.0), "long": (1.3, 1.2),
        "bob": (1.5, 1.4), "tied": (0.7, 0.45), "bun": (0.7, 0.45), "curly": (3.0, 2.4),
        "receding": (0.8, 0.6),
    }  # fmt: skip
    high, low = table[head.hair]
    volume = 1 + 0.28 * head.hair_volume
    t = (low + (high - low) * top) * volume * np.ones_like(margin)
    if head.hair in ("side", "short", "long", "bob"):
        part = head.hair_part * 32
        sweep = np.exp(-(((np.abs(degrees) - 0) / 60) ** 2)) * top
        lean = np.clip(0.5 * np.sign(-part) * degrees / 50, -0.4, 0.5)
        t = t * (1 + sweep * lean)
        groove = np.exp(-(((degrees - part) / 7) ** 2)) * top * _smooth(0.5, 2.0, rings)[:, None]
        t = t * (1 - 0.6 * groove * (head.hair != "short"))
    edge = {"fringe": 0.45, "curly": 0.5, "long": 0.3, "bob": 0.35}.get(head.hair, 0.12)
    taper = edge + (1 - edge) * _smooth(0.0, 2.2, margin)
    return np.asarray(t * taper + 0.05)


def _strands(head: HeadPart, angles: Array, rings: Array) -> tuple[Array, Array]:
    """Return coordinates across and along the strands, each float64 (R, C), centimetres."""
    along = rings[:, None] * _CM_PER_RING + 0 * angles[None, :]
    across = angles[None, :] * 7.5 + 0 * along
    if head.hair in ("side", "short", "receding"):
        # The crown's whorl: strands fall aslant, toward the side they are combed to.
        across = across + np.sign(head.hair_part) * along * np.cos(angles / 2)[None, :] * 0.75
    wave = 0.5 * head.hair_wave * np.sin(along * 0.9 + np.sin(across * 0.35) * 2.0)
    return across + wave, along


def _shell(head: HeadPart) -> Mesh:
    hangs = head.hair in ("long", "bob")
    rings = np.linspace(0.0, 7.0 if hangs else 10.0, 38)
    angles = np.linspace(-np.pi, np.pi, 113)
    p = at_rings(ring_matrix(rings) @ head_table(head), angles)
    margin = hairline_margin(head, rings, angles)
    degrees = np.degrees(np.abs(angles))[None, :]
    front = degrees < 60
    if head.hair == "fringe" or (head.hair in ("long", "bob") and head.hair_part > 0.45):
        low = 4.55 + 0.25 * head.hair_volume
        cut = (low - rings[:, None]) * _CM_PER_RING
        # Blend the two lines: a kink in the margin would show as a ridge in the shell.
        side = 1 - _smooth(52, 64, degrees)
        margin = margin + (np.maximum(cut, margin + 0.0) - margin) * side
        margin = np.where(degrees < 52, cut, margin)
    if hangs:
        side = (degrees - 64 - 4 * _smooth(4, 7, rings)[:, None]) * 0.13
        margin = np.maximum(margin, np.where(front, -9.0, side))
    t = _thickness(head, angles, rings, margin)
    across, along = _strands(head, angles, rings)
    if head.hair == "curly":
        t = t * (0.75 + 0.5 * _noise(across * 0.8, along * 0.8, head.hair_seed))
    else:
        t = t * (0.9 + 0.2 * _noise(across * 0.9, along * 0.15, head.hair_seed))
    p = p + _outward(p, (0.0, 1.5, -1.0)) * t[..., None]
    if hangs:
        p, margin, across, along = _hang(head, p, margin, across, along)
    rough = np.full_like(margin, {"curly": 1.3, "tied": 0.35, "bun": 0.35}.get(head.hair, 0.9))
    uv = np.stack([across, along, margin, rough], axis=-1)
    return grid_mesh(p, uv, CURLS if head.hair == "curly" else HAIR)


def _hang(
    head: HeadPart, p: Array, margin: Array, across: Array, along: Array
) -> tuple[Array, Array, Array, Array]:
    """Continue the shell downward from its last ring."""
    bob = head.hair == "bob"
    end = -8.5 - 3.0 * head.hair_length if bob else -16.0 - 13.0 * head.hair_length
    top = p[-1]
    s = np.linspace(0, 1, 24)[1:, None]
    y = top[None, :, 1] + (end - top[None, :, 1]) * s
    drop = top[None, :, 1] - y
    bulge = (0.6 * np.sin(s * np.pi) ** 2 - (1.3 if bob else 0.35) * s**2) * np.ones_like(y)
    ease = _smooth(0, 4, drop)
    bulge += 0.5 * head.hair_wave * ease * np.sin(drop * 0.75 + across[-1][None, :] * 0.3)
    out = _outward(np.stack([top[:, 0], 0 * top[:, 1], top[:, 2]], -1), (0, 0, -1.0))
    hang = np.stack(
        [top[None, :, 0] + out[None, :, 0] * bulge, y, top[None, :, 2] + out[None, :, 2] * bulge],
        axis=-1,
    )
    # Over the shoulders the front locks come forward so that the body does not swallow them.
    hang[..., 2] += np.where(out[None, :, 2] > -0.2, 1.0, 0.0) * _smooth(-15, -20, y) * 4.5
    rag = 2.5 * (_noise(across[-1] * 1.3, 0 * across[-1], head.hair_seed) - 0.3)
    left = np.minimum(margin[-1][None, :], (y - end) - rag[None, :])
    return (
        np.concatenate([p, hang]), np.concatenate([margin, left]),
        np.concatenate([across, np.repeat(across[-1:], len(s), 0)]),
        np.concatenate([along, along[-1:] + drop]),
    )  # fmt: skip


def _wrap(head: HeadPart) -> Mesh:
    """A headscarf that frames the face, or a beanie."""
    scarf = head.hair == "scarf"
    rings = np.linspace(0.0, 17.5 if scarf else 6.5, 64 if scarf else 34)
    angles = np.linspace(-np.pi, np.pi, 113)
    p = at_rings(ring_matrix(rings) @ head_table(head), angles)
    degrees = np.degrees(np.abs(angles))[None, :]
    if scarf:
        y, x = p[..., 1], p[..., 0]
        oval = (np.abs(x) / 6.0) ** 2.2 + (np.abs(y + 2.8) / 9.0) ** 2.2
        margin = np.where((degrees < 82) & (y > -13), (oval - 1) * 4, 4.0)
        folds = 0.25 * np.sin(degrees * 0.15 + rings[:, None])
        t = 0.55 + 0.5 * _smooth(9, 14, rings)[:, None] + folds
    else:
        low = 4.15 + 1.6 * _smooth(40, 110, degrees) + 0.09 * head.hairline
        margin = (low - rings[:, None]) * _CM_PER_RING
        t = 0.7 + 0.5 * _smooth(3.0, 0.0, rings)[:, None] + 0.25 * (margin < 2.5) + 0 * degrees
    p = p + _outward(p, (0.0, 1.0, -1.0)) * t[..., None]
    uv = np.stack(
        [angles[None, :] * 7.5 + 0 * margin, rings[:, None] * 2.3 + 0 * margin, margin,
         np.full_like(margin, 0.02)],
        axis=-1,
    )  # fmt: skip
    return grid_mesh(p, uv, WRAP)


def _knot(head: HeadPart) -> Mesh:
    lat = np.linspace(np.pi / 2, -np.pi / 2, 16)[:, None]
    lon = np.linspace(-np.pi, np.pi, 28)[None, :]
    size = 3.0 + 0.8 * head.hair_volume
    centre = np.array([0.0, 12.4, -4.5]) if head.hair_part > 0 else np.array([0.0, 5.0, -12.0])
    c = np.cos(lat)
    ball = np.stack([c * np.sin(lon), np.sin(lat) + 0 * lon, c * np.cos(lon)], -1)
    uv = np.stack(
        [lon * 3 + lat * 3, lat * 3 + 0 * lon, 3 + 0 * lat * lon, 0.3 + 0 * lat * lon], -1
    )
    return grid_mesh(centre + ball * size * np.array([1.1, 0.85, 1.0]), uv, HAIR)


@lru_cache(maxsize=256)
def hair_meshes(head: HeadPart) -> tuple[Mesh, ...]:
    """Return the meshes that cover a head, empty for bald and buzzed ones."""
    if head.hair in ("bald", "buzz"):
        return ()
    if head.hair in ("scarf", "beanie"):
        return (_wrap(head),)
    if head.hair == "bun":
        return (_shell(head), _knot(head))
    return (_shell(head),)
