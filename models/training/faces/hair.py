"""Hair: a mass around the skull, cut along the hairline, and the map that its strands grow on."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.headwear import headwear
from models.training.faces.mesh import CURLS, HAIR, Mesh, grid_mesh
from models.training.faces.raster import value_noise
from models.training.faces.scalp import scalp_map
from models.training.faces.strands import Strands, grown
from models.training.faces.styles import STYLES
from models.training.faces.template import at_rings, head_table, outward, ring_matrix
from models.training.faces.wardrobe import COVERINGS, HeadPart

__all__ = ["hair_meshes", "hair_strands", "hairline_margin", "under"]

Array = NDArray[np.float64]
_CM_PER_RING = 2.3
_CORE = 0.74  # thickness of the mass, as a share of the hair's: strands lie over it

# Hairline of a full head of hair: degrees from the front, ring at which hair ends.
_LINE = np.array([
    (0, 3.55), (18, 3.50), (33, 3.45), (44, 3.85), (56, 4.55), (63, 5.6), (70, 6.5), (80, 6.75),
    (88, 6.5), (96, 5.7), (106, 5.9), (118, 7.4), (135, 9.0), (180, 9.6),
])  # fmt: skip


def _smooth(low: float, high: float, x: Any) -> Any:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=256)
def under(head: HeadPart) -> HeadPart | None:
    """Return the head with the hair that shows, flattened under a cap; None if none does."""
    if head.hair in ("bald", "scarf", "hood", "turban"):
        return None
    if head.hair in COVERINGS:
        return replace(head, hair="long" if head.hair_length > 0.55 else "short", hair_volume=-2.5)
    return head


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
    # No hairline is drawn with a ruler: it swings a little, another way on each head.
    line = line + 0.10 * np.sin(angles * 9.0 + head.hair_seed) * np.minimum(front * 2, 1)
    return np.asarray((line[None, :] - rings[:, None]) * _CM_PER_RING)


def _noise(a: Array, b: Array, seed: int) -> Array:
    out = np.empty(a.size)
    _fill_noise(np.ravel(a), np.ravel(b), seed, out)
    return out.reshape(a.shape)


@njit(cache=True)
def _fill_noise(a: Any, b: Any, seed: int, out: Any) -> None:
    for i in range(out.size):
        out[i] = value_noise(a[i], b[i], seed)


def _thickness(head: HeadPart, angles: Array, rings: Array, margin: Array) -> Array:
    """Return the hair's surface's distance from the scalp, float64 (R, C), centimetres."""
    style = STYLES[head.hair]
    degrees = np.degrees(angles)[None, :]
    top = 1 - _smooth(2.5, 5.5, rings)[:, None]
    volume = 1 + 0.28 * head.hair_volume
    t = (style.low + (style.high - style.low) * top) * volume * np.ones_like(margin)
    if head.hair in ("side", "short", "long", "bob"):
        part = head.hair_part * 32
        sweep = np.exp(-(((np.abs(degrees) - 0) / 60) ** 2)) * top
        lean = np.clip(0.5 * np.sign(-part) * degrees / 50, -0.4, 0.5)
        t = t * (1 + sweep * lean)
        groove = np.exp(-(((degrees - part) / 7) ** 2)) * top * _smooth(0.5, 2.0, rings)[:, None]
        t = t * (1 - 0.6 * groove * (head.hair != "short"))
    taper = style.edge + (1 - style.edge) * _smooth(0.0, 2.2, margin)
    return np.asarray(t * taper + 0.05)


def _end(head: HeadPart, rings: Array, angles: Array, line: Array) -> Array:
    """Return the margin at which hair ends, which a fringe does below the hairline."""
    degrees = np.degrees(np.abs(angles))[None, :]
    margin = line
    if head.hair == "fringe" or (head.hair in ("long", "bob") and head.hair_part > 0.6):
        low = 4.45 + 0.25 * head.hair_volume
        cut = (low - rings[:, None]) * _CM_PER_RING
        # Blend the two lines: a kink in the margin would show as a ridge in the shell.
        side = 1 - _smooth(52, 64, degrees)
        margin = margin + (np.maximum(cut, margin) - margin) * side
        margin = np.where(degrees < 52, cut, margin)
    if STYLES[head.hair].hangs:
        side = (degrees - 64 - 4 * _smooth(4, 7, rings)[:, None]) * 0.13
        margin = np.maximum(margin, np.where(degrees < 60, -9.0, side))
    return np.asarray(margin)


def _coordinates(head: HeadPart, angles: Array, rings: Array) -> tuple[Array, Array]:
    """Return coordinates across and along the strands, each float64 (R, C), centimetres."""
    along = rings[:, None] * _CM_PER_RING + 0 * angles[None, :]
    across = angles[None, :] * 7.5 + 0 * along
    wave = 0.5 * head.hair_wave * np.sin(along * 0.9 + np.sin(across * 0.35) * 2.0)
    return across + wave, along


def _shell(head: HeadPart) -> Mesh:
    hangs = STYLES[head.hair].hangs
    curls = STYLES[head.hair].curl > 0.1
    rings = np.linspace(0.0, 7.0 if hangs else 10.0, 38)
    angles = np.linspace(-np.pi, np.pi, 97)
    p = at_rings(ring_matrix(rings) @ head_table(head), angles)
    margin = _end(head, rings, angles, hairline_margin(head, rings, angles))
    t = _thickness(head, angles, rings, margin)
    across, along = _coordinates(head, angles, rings)
    rough = 0.8 if curls else 0.9
    coarse = 0.8 if curls else 0.15
    t = t * (1 - 0.25 * rough + 0.5 * rough * _noise(across * 0.8, along * coarse, head.hair_seed))
    p = p + outward(p) * (_CORE * t)[..., None]
    # Strands alone make the hairline: the mass ends inside of it, most where hairs have roots.
    margin = margin - 1.0 * (1 - STYLES[head.hair].edge)
    if hangs:
        p, margin, across, along = _hang(head, p, margin, across, along)
    roughness = np.full_like(margin, 1.0 if curls else 0.3)
    uv = np.stack([across, along, margin, roughness], axis=-1)
    return grid_mesh(p, uv, CURLS if curls else HAIR)


def _hang(
    head: HeadPart, p: Array, margin: Array, across: Array, along: Array
) -> tuple[Array, Array, Array, Array]:
    """Continue the shell downward from its last ring."""
    bob = head.hair == "bob"
    end = -8.0 - 3.0 * head.hair_length if bob else -15.0 - 13.0 * head.hair_length
    if head.hair == "locs":
        end = -6.0 - 12.0 * head.hair_length
    top = p[-1]
    s = np.linspace(0, 1, 24)[1:, None]
    y = top[None, :, 1] + (end - top[None, :, 1]) * s
    drop = top[None, :, 1] - y
    bulge = (0.3 * np.sin(s * np.pi) ** 2 - (1.3 if bob else 0.6) * s**2) * np.ones_like(y)
    ease = _smooth(0, 4, drop)
    bulge += 0.5 * head.hair_wave * ease * np.sin(drop * 0.75 + across[-1][None, :] * 0.3)
    out = outward(np.stack([top[:, 0], 0 * top[:, 1], top[:, 2]], -1), (0, 0, -1.0))
    hang = np.stack(
        [top[None, :, 0] + out[None, :, 0] * bulge, y, top[None, :, 2] + out[None, :, 2] * bulge],
        axis=-1,
    )
    # Over the shoulders the front locks come forward so that the body does not swallow them.
    hang[..., 2] += np.where(out[None, :, 2] > -0.2, 1.0, 0.0) * _smooth(-14, -18, y) * 4.0
    rag = 3.5 * (_noise(across[-1] * 1.3, 0 * across[-1], head.hair_seed) - 0.1)
    left = np.minimum(margin[-1][None, :], (y - end) - rag[None, :])
    return (
        np.concatenate([p, hang]), np.concatenate([margin, left]),
        np.concatenate([across, np.repeat(across[-1:], len(s), 0)]),
        np.concatenate([along, along[-1:] + drop]),
    )  # fmt: skip


def _knot(head: HeadPart) -> Mesh:
    lat = np.linspace(np.pi / 2, -np.pi / 2, 16)[:, None]
    lon = np.linspace(-np.pi, np.pi, 28)[None, :]
    size = 2.6 + 0.8 * head.hair_volume
    centre = np.array([0.0, 12.2, -4.5]) if head.hair_part > 0 else np.array([0.0, 5.0, -12.0])
    c = np.cos(lat)
    ball = np.stack([c * np.sin(lon), np.sin(lat) + 0 * lon, c * np.cos(lon)], -1)
    bumps = 0.85 + 0.3 * _noise(lon * 1.2 + 0 * lat, lat * 1.2 + 0 * lon, head.hair_seed)
    uv = np.stack(
        [lon * 3 + lat * 3, lat * 3 + 0 * lon, 3 + 0 * lat * lon, 0.3 + 0 * lat * lon], -1
    )
    points = centre + ball * bumps[..., None] * size * np.array([1.1, 0.85, 1.0])
    return grid_mesh(points, uv, HAIR)


@lru_cache(maxsize=64)
def hair_meshes(head: HeadPart) -> tuple[Mesh, ...]:
    """Return the meshes that cover a head; a bald and a buzzed one have none."""
    meshes = list(headwear(head))
    seen = under(head)
    if seen is not None and seen.hair != "buzz":
        meshes.append(_shell(seen))
    if head.hair == "bun":
        meshes.append(_knot(head))
    return tuple(meshes)


@lru_cache(maxsize=64)
def _table(head: HeadPart) -> Array:
    """Return the map that a head's hair grows on."""
    rings, angles = np.linspace(0.0, 12.0, 49), np.linspace(-np.pi, np.pi, 97)
    p = at_rings(ring_matrix(rings) @ head_table(head), angles)
    line = hairline_margin(head, rings, angles)
    margin = _end(head, rings, angles, line)
    thick = _thickness(head, angles, rings, margin)
    return scalp_map(p, np.stack([margin, line, thick], -1), np.array([-9.0, -9.0, 0.2]))


def hair_strands(head: HeadPart, count: int) -> Strands | None:
    """Return the strands of a head's hair, or None where none shows."""
    seen = under(head)
    return None if seen is None else grown(seen, _table, count)
