"""Things before a face: a hand, strands of hair, a cup, a phone, a bar."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.scene import Light, Occluder
from models.training.faces.skin import pigment

__all__ = ["occlude"]

F32 = NDArray[np.float32]


def _rounded(shape: tuple[int, int], box: NDArray[Any], turn: float, radius: float) -> F32:
    """Return the signed distance to a rounded, turned rectangle (cx, cy, half w, half h)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    c, s = np.cos(turn), np.sin(turn)
    u = np.abs(c * (x - box[0]) + s * (y - box[1])) - box[2] + radius
    v = np.abs(-s * (x - box[0]) + c * (y - box[1])) - box[3] + radius
    outside = np.hypot(np.maximum(u, 0), np.maximum(v, 0))
    return np.asarray(outside + np.minimum(np.maximum(u, v), 0) - radius, np.float32)


def _capsules(shape: tuple[int, int], limbs: list[tuple[Any, ...]]) -> tuple[F32, F32]:
    """Return (distance, normalised height) of the nearest capsule, limbs (x0, y0, x1, y1, r)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    best = np.full(shape, 1e6, np.float32)
    tall = np.zeros(shape, np.float32)
    for x0, y0, x1, y1, r in limbs:
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy + 1e-6), 0, 1)
        d = np.hypot(x - x0 - t * dx, y - y0 - t * dy)
        h = np.sqrt(np.clip(1 - (d / r) ** 2, 0, 1)) * r
        best = np.minimum(best, d - r)
        tall = np.maximum(tall, h)
    return best, np.asarray(tall, np.float32)


def _shaded(tall: F32, colour: NDArray[Any], light: Light) -> F32:
    """Shade a height field of linear BGR colour; display BGR 0..255."""
    gy, gx = np.gradient(tall)
    n = 1.0 / np.sqrt(gx**2 + gy**2 + 1)
    k = light.key
    lit = np.clip((-gx * k[0] + gy * k[1] + k[2]) * n, 0, 1)[..., None]
    rgb = np.array(light.sky) + np.array(light.key_colour) * lit
    value = colour * rgb[..., ::-1]
    return np.asarray(255 * np.clip(value, 0, 1) ** 0.4545, np.float32)


def _hand(
    shape: tuple[int, int], rng: np.random.Generator, at: NDArray[Any], unit: float, light: Light
) -> tuple[F32, F32]:
    grip = rng.uniform(0, 2 * np.pi)
    reach = unit * rng.uniform(0.30, 0.5)
    palm = at + np.array([np.cos(grip), np.sin(grip)]) * reach * 1.35
    base = np.arctan2(*(at - palm)[::-1]) + rng.normal() * 0.25
    side = np.array([-np.sin(base), np.cos(base)])
    limbs: list[tuple[Any, ...]] = []
    for k in range(4):
        start = palm + side * unit * 0.085 * (k - 1.5)
        a = base + (k - 1.5) * 0.09
        end = start + np.array([np.cos(a), np.sin(a)]) * unit * (0.42 - 0.05 * abs(k - 1.4))
        limbs.append((*start, *end, unit * 0.047))
    back = palm - np.array([np.cos(base), np.sin(base)]) * unit * 0.22
    limbs.append((*palm, *back, unit * 0.17))
    limbs.append((*back, *(back - (palm - back) * 3.0), unit * 0.13))
    a = base + 0.9
    limbs.append((*back, *(back + np.array([np.cos(a), np.sin(a)]) * unit * 0.33), unit * 0.055))
    d, tall = _capsules(shape, limbs)
    skin = np.array(pigment(rng.random(), rng.random(), 0.0))[::-1]
    return _shaded(tall, skin, light), np.clip(0.5 - d, 0, 1)


def _strands(
    shape: tuple[int, int], rng: np.random.Generator, at: NDArray[Any], unit: float
) -> tuple[F32, F32]:
    cover = np.zeros(shape, np.float32)
    colour = np.zeros((*shape, 3), np.float32)
    x0, lean = at[0] + rng.uniform(-0.35, 0.35) * unit, rng.uniform(-0.4, 0.4) * unit
    tone = rng.uniform(8, 120) * np.array([0.6, 0.8, 1.0])
    phase = rng.uniform(0, 6)
    for _ in range(int(rng.integers(25, 90))):
        x = x0 + rng.normal() * 0.06 * unit
        t = np.linspace(0, 1, 24)
        px = x + lean * t**1.6 + 0.03 * unit * np.sin(t * 4 + phase + rng.normal() * 0.4)
        py = at[1] + unit * (-0.65 + t * rng.uniform(0.6, 1.3))
        points = np.round(np.stack([px, py], -1) * 16).astype(np.int32)
        # Light falls on the upper part of a lock, and not on each hair alike.
        shade = tone * rng.uniform(0.5, 1.9)
        cv2.polylines(cover, [points], False, 1.0, 1, cv2.LINE_AA, 4)
        cv2.polylines(
            colour, [points], False, (float(shade[0]), float(shade[1]), float(shade[2])), 2,
            cv2.LINE_AA, 4,
        )  # fmt: skip
    return colour, 0.85 * cover


def _thing(
    kind: str, shape: tuple[int, int], rng: np.random.Generator, at: NDArray[Any], unit: float,
    light: Light,
) -> tuple[F32, F32]:  # fmt: skip
    colour = rng.uniform(0.01, 0.8, 3) ** 1.5
    away = rng.uniform(0, 2 * np.pi)
    offset = np.array([np.cos(away), np.sin(away)]) * unit
    if kind == "cup":
        box = np.array([at[0] + offset[0] * 0.12, at[1] + unit * rng.uniform(0.28, 0.5), 0, 0])
        box[2:] = unit * np.array([0.19, 0.27])
        turn, radius = rng.normal() * 0.2, unit * 0.05
        x = np.arange(shape[1], dtype=np.float32)[None, :] + np.zeros((shape[0], 1), np.float32)
        tall = np.sqrt(np.clip(1 - ((x - box[0]) / box[2]) ** 2, 0.02, 1)) * box[2]
    elif kind == "phone":
        centre = at + offset * rng.uniform(0.3, 0.5)
        box = np.array([*centre, unit * 0.2, unit * 0.4])
        turn, radius, colour = rng.normal() * 0.5, unit * 0.04, colour * 0.15
        tall = np.zeros(shape)
    else:
        centre = at + offset * rng.uniform(0.25, 0.6)
        box = np.array([*centre, unit * rng.uniform(0.04, 0.3), unit * 3])
        turn, radius = rng.uniform(0, np.pi), 1.0
        tall = np.zeros(shape)
    d = _rounded(shape, box, turn, radius)
    if kind == "bar":  # a rail is round
        half = float(box[2])
        tall = np.sqrt(np.clip(half**2 - (d + half) ** 2, 0, None))
    return _shaded(np.asarray(tall, np.float32), colour, light), np.clip(0.5 - d, 0, 1)


def occlude(
    picture: NDArray[Any], occluder: Occluder, centre: tuple[float, float], face_height: float,
    light: Light,
) -> tuple[F32, F32]:  # fmt: skip
    """Lay an occluder over a picture.

    Args:
        picture: float32 (H, W, 3) BGR, 0..255.
        occluder: what to draw; a "mask" is part of the person and draws nothing here.
        centre: face centre in pixels.
        face_height: pixels.
        light: the scene's.

    Returns:
        The picture, and the occluder's cover float32 (H, W) 0..1.
    """
    shape = (picture.shape[0], picture.shape[1])
    if occluder.kind == "mask":
        return picture, np.zeros(shape, np.float32)
    rng = np.random.default_rng([401, occluder.seed])
    at = np.array(centre) + rng.normal(size=2) * face_height * 0.06
    if occluder.kind == "hand":
        colour, cover = _hand(shape, rng, at, face_height, light)
    elif occluder.kind == "strands":
        colour, cover = _strands(shape, rng, at, face_height)
    else:
        colour, cover = _thing(occluder.kind, shape, rng, at, face_height, light)
    cover = np.asarray(cover, np.float32)
    out = picture + (colour - picture) * cover[..., None]
    return np.asarray(out, np.float32), cover
