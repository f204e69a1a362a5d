"""Places behind a person, out of focus: rooms, offices, streets, parks, studios, nights.

They are painted small, in layers from far to near, each blurred by a lens's disc, and enlarged.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["PLACES", "place"]

Float = NDArray[np.float32]
_SIDE = 112  # of the painting; what is out of focus holds no finer detail


def _muted(rng: np.random.Generator, low: float, high: float, chroma: float = 0.07) -> Float:
    """Return a display colour BGR near grey."""
    value = rng.uniform(low, high)
    cast = rng.normal() * chroma * np.array([-1.0, 0.0, 1.0]) + rng.normal(size=3) * chroma * 0.4
    return np.asarray(np.clip(value + cast * (0.4 + value), 0, 1), np.float32)


def _scalar(colour: Float) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _box(out: Float, x0: float, y0: float, x1: float, y1: float, colour: Float) -> None:
    """Fill a rectangle given in shares of width and height."""
    h, w = out.shape[:2]
    a, b = (round(x0 * w), round(y0 * h)), (round(x1 * w) - 1, round(y1 * h) - 1)
    cv2.rectangle(out, a, b, _scalar(colour), -1)


def _noise(h: int, w: int, rng: np.random.Generator, cells: int, octaves: int) -> Float:
    out = np.zeros((h, w), np.float32)
    weight, total = 1.0, 0.0
    for _ in range(octaves):
        small = rng.random((cells, max(2, cells * w // h)), dtype=np.float32)
        out += weight * cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        total += weight
        weight, cells = weight * 0.6, cells * 2
    return out / np.float32(total)


def _disc(out: Float, radius: float) -> Float:
    """Blur as a lens does: bright points become discs."""
    if radius < 0.6:
        return out
    r = int(np.ceil(radius))
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    # In linear light, or highlights would drown.
    blurred = cv2.filter2D(out**2.2, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(blurred, 0, None) ** np.float32(0.4545), np.float32)


def _falloff(out: Float, rng: np.random.Generator, depth: float) -> None:
    """Darken away from a side, as the light of a window falls off."""
    h, w = out.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    t = 0.5 + 0.6 * (np.cos(turn) * (x / w - 0.5) + np.sin(turn) * (y / h - 0.5))
    out *= (1 - depth * np.clip(t, 0, 1))[..., None]


def _room(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.float32)
    out[:] = _muted(rng, 0.35, 0.85)
    corner = rng.uniform(-0.3, 1.3)
    _box(out, corner, 0, 2, 1, out[0, 0] * np.float32(rng.uniform(0.75, 1.1)))
    if rng.random() < 0.6:  # a window, or a doorway
        x, y = rng.uniform(-0.1, 0.8), rng.uniform(-0.1, 0.25)
        ww, hh = rng.uniform(0.15, 0.4), rng.uniform(0.35, 0.8)
        _box(out, x - 0.02, y - 0.02, x + ww + 0.02, y + hh + 0.02, _muted(rng, 0.5, 0.95, 0.02))
        pane = _muted(rng, 0.75, 1.0, 0.06) if rng.random() < 0.8 else _muted(rng, 0.05, 0.3)
        _box(out, x, y, x + ww, y + hh, pane)
        for k in range(int(rng.integers(1, 4))):
            at = x + ww * (k + 1) / 4
            _box(out, at, y, at + 0.012, y + hh, _muted(rng, 0.3, 0.9, 0.02))
    for _ in range(int(rng.integers(1, 4))):  # pictures
        x, y = rng.uniform(0, 1), rng.uniform(0.02, 0.5)
        ww, hh = rng.uniform(0.06, 0.2), rng.uniform(0.06, 0.2)
        _box(out, x, y, x + ww, y + hh, _muted(rng, 0.1, 0.9))
        _box(
            out, x + 0.012, y + 0.012, x + ww - 0.012, y + hh - 0.012, _muted(rng, 0.2, 0.95, 0.14)
        )
    if rng.random() < 0.5:  # shelves with books
        x, ww = rng.uniform(-0.1, 0.8), rng.uniform(0.2, 0.5)
        for row in range(int(rng.integers(2, 5))):
            y = 0.1 + 0.2 * row
            _box(out, x, y + 0.15, x + ww, y + 0.17, _muted(rng, 0.15, 0.6))
            at = x
            while at < x + ww - 0.02:
                thick = rng.uniform(0.01, 0.04)
                tall = rng.uniform(0.08, 0.14)
                if rng.random() < 0.85:
                    _box(out, at, y + 0.15 - tall, at + thick, y + 0.15, _muted(rng, 0.1, 0.8, 0.2))
                at += thick
    for _ in range(int(rng.integers(1, 4))):  # furniture
        x, y = rng.uniform(-0.2, 0.9), rng.uniform(0.55, 0.9)
        _box(out, x, y, x + rng.uniform(0.15, 0.5), 1, _muted(rng, 0.08, 0.6, 0.12))
    if rng.random() < 0.35:  # a lamp
        lamp = (int(rng.uniform(0, w)), int(rng.uniform(0.05, 0.5) * h))
        cv2.circle(out, lamp, int(rng.uniform(0.03, 0.07) * w), (0.75, 0.9, 1.3), -1)
    _falloff(out, rng, rng.uniform(0.1, 0.6))
    return out


def _office(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.float32)
    out[:] = _muted(rng, 0.55, 0.9, 0.03)
    top = rng.uniform(0.05, 0.25)
    _box(out, 0, 0, 1, top, _muted(rng, 0.6, 0.9, 0.02))
    for k in range(int(rng.integers(2, 6))):
        x = rng.uniform(-0.1, 1)
        _box(out, x, 0.02 + 0.03 * k, x + rng.uniform(0.1, 0.3), 0.04 + 0.03 * k, np.full(3, 1.4))
    for _ in range(int(rng.integers(3, 8))):
        x, ww = rng.uniform(-0.1, 1), rng.uniform(0.01, 0.25)
        _box(out, x, top, x + ww, rng.uniform(0.5, 1), _muted(rng, 0.3, 0.95, 0.05))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.1, 1), rng.uniform(0.5, 0.85)
        _box(
            out, x, y, x + rng.uniform(0.08, 0.25), y + rng.uniform(0.05, 0.2), _muted(rng, 0, 0.5)
        )
    _falloff(out, rng, rng.uniform(0.05, 0.35))
    return out


def _street(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.float32)
    sky = np.array([0.95, 0.88, 0.80]) * rng.uniform(0.7, 1.1)
    out[:] = sky
    horizon = rng.uniform(0.5, 0.75)
    x = -0.1
    while x < 1:
        ww, top = rng.uniform(0.12, 0.4), rng.uniform(-0.1, 0.45)
        wall = _muted(rng, 0.2, 0.75, 0.09)
        _box(out, x, top, x + ww, horizon + 0.05, wall)
        dark = wall * rng.uniform(0.35, 0.7)
        columns, rows = int(rng.integers(2, 6)), int(rng.integers(3, 8))
        for i in range(rows):
            for j in range(columns):
                pane = np.full(3, 1.2, np.float32) if rng.random() < 0.06 else dark
                wx, wy = x + ww * (j + 0.25) / columns, top + (horizon - top) * (i + 0.25) / rows
                _box(
                    out, wx, wy, wx + ww * 0.5 / columns, wy + (horizon - top) * 0.5 / rows,
                    np.asarray(pane, np.float32),
                )  # fmt: skip
        x += ww + (rng.uniform(0, 0.15) if rng.random() < 0.3 else 0)
    _box(out, 0, horizon, 1, 1, _muted(rng, 0.25, 0.55, 0.03))
    for _ in range(int(rng.integers(1, 5))):  # cars, and people far off
        x, y = rng.uniform(-0.1, 1), horizon + rng.uniform(-0.06, 0.06)
        _box(out, x, y - 0.02, x + rng.uniform(0.03, 0.2), y + 0.08, _muted(rng, 0.05, 0.8, 0.2))
    return out


def _park(h: int, w: int, rng: np.random.Generator) -> Float:
    horizon = int(rng.uniform(0.45, 0.85) * h)
    leaves = _noise(h, w, rng, 5, 5)[..., None]
    season = rng.random()
    bright = np.array([0.20 + 0.1 * season, 0.55, 0.30 + 0.35 * season]) * rng.uniform(0.7, 1.1)
    out = bright * np.clip(leaves * 1.9 - 0.45, 0.08, 1)
    gaps = np.clip(_noise(h, w, rng, 9, 4) * 4.5 - 2.75, 0, 1.3)[..., None]
    fade = np.linspace(1.0, 0.1, h)[:, None, None]
    out = out * (1 - np.clip(gaps * fade, 0, 1)) + np.array([1.15, 1.1, 1.05]) * gaps * fade
    for _ in range(int(rng.integers(0, 5))):
        x, ww = rng.uniform(0, 1), rng.uniform(0.01, 0.06)
        out[:horizon, int(x * w) : int((x + ww) * w)] *= rng.uniform(0.25, 0.6)
    grass = np.array([0.22, 0.50, 0.36]) * (0.6 + 0.6 * _noise(h, w, rng, 12, 3)[..., None])
    out[horizon:] = grass[horizon:] * rng.uniform(0.6, 1.3)
    return np.asarray(out, np.float32)


def _studio(h: int, w: int, rng: np.random.Generator) -> Float:
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    at = rng.uniform(0.2, 0.8, 2)
    away = np.hypot(x / w - at[0], (y / h - at[1]) * h / w)
    low, high = sorted(rng.uniform(0.08, 0.95, 2))
    t = np.exp(-((away / rng.uniform(0.3, 1.0)) ** 2))[..., None]
    tone = _muted(rng, 0.5, 0.9, 0.10)
    cloudy = 1 + rng.uniform(0, 0.35) * (_noise(h, w, rng, 3, 4)[..., None] - 0.5)
    return np.asarray(tone / tone.mean() * (low + (high - low) * t) * cloudy, np.float32)


def _night(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.float32)
    out[:] = _muted(rng, 0.03, 0.2, 0.10)
    out *= 0.5 + _noise(h, w, rng, 4, 3)[..., None]
    for _ in range(int(rng.integers(10, 50))):
        at = (int(rng.integers(0, w)), int(rng.uniform(0, 0.8) * h))
        glow = np.clip(np.array([0.5, 0.8, 1.1]) + rng.normal(size=3) * 0.4, 0.05, 1.6)
        cv2.circle(out, at, int(rng.integers(0, 3)), _scalar(np.asarray(glow, np.float32)), -1)
    return out


def _open_air(h: int, w: int, rng: np.random.Generator) -> Float:
    t = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    out = np.array([0.92, 0.72, 0.50]) * (1 - t) + np.array([0.95, 0.90, 0.86]) * t
    clouds = np.clip(_noise(h, w, rng, 3, 5) * 2.2 - 0.8, 0, 1)[..., None]
    out = (out + (0.98 - out) * clouds) * rng.uniform(0.7, 1.05)
    horizon = int(rng.uniform(0.45, 0.9) * h)
    hills = horizon - (0.16 * h * _noise(h, w, rng, 3, 3)[0]).astype(int)
    far = _muted(rng, 0.35, 0.65, 0.06)
    for x in range(w):
        out[hills[x] : horizon, x] = far
    ground = _muted(rng, 0.3, 0.75, 0.12)
    out[horizon:] = ground * (0.75 + 0.5 * _noise(h, w, rng, 10, 3)[horizon:, :, None])
    return np.asarray(out, np.float32)


PLACES: dict[str, Callable[[int, int, np.random.Generator], Float]] = {
    "room": _room, "office": _office, "street": _street, "park": _park, "studio": _studio,
    "night": _night, "open": _open_air,
}  # fmt: skip
_SHARES = (0.27, 0.14, 0.15, 0.15, 0.16, 0.05, 0.08)


def place(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Paint a place, out of focus.

    Args:
        height: pixels.
        width: pixels.
        seed: decides everything.

    Returns:
        uint8 (height, width, 3) BGR.
    """
    rng = np.random.default_rng([302, seed])
    kind = list(PLACES)[int(rng.choice(len(_SHARES), p=_SHARES))]
    scale = _SIDE / max(height, width)
    h, w = max(8, round(height * scale)), max(8, round(width * scale))
    out = np.clip(PLACES[kind](h, w, rng), 0, 1.6)
    least = 0.024 if kind == "night" else 0.012
    out = _disc(out, _SIDE * float(rng.uniform(least, 0.05)))
    if kind in ("room", "office") and rng.random() < 0.4:  # something nearer, less blurred
        x, top = rng.uniform(-0.1, 1.0), rng.uniform(0.35, 0.8)
        _box(out, x, top, x + rng.uniform(0.05, 0.3), 1.0, _muted(rng, 0.05, 0.6, 0.1))
        out = _disc(out, 1.2)
    large = cv2.resize(out, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large * 255.0 + 0.5, 0, 255), np.uint8)
