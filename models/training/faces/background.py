"""Backgrounds of many kinds, also of use as pictures without a face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.places import place

__all__ = ["BACKGROUNDS", "background"]

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]


def _colour(rng: np.random.Generator, low: float = 0.05, high: float = 0.95) -> NDArray[Any]:
    base = rng.uniform(low, high)
    return np.asarray(np.clip(base + rng.normal(size=3) * 0.13, 0, 1).astype(np.float32))


def _soft(picture: Float, sigma: float) -> Float:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.4, sigma)), np.float32)


def _scalar(colour: NDArray[Any]) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _noise(h: int, w: int, rng: np.random.Generator, cells: float, octaves: int = 4) -> Float:
    """Return smooth noise float32 (h, w), about 0..1."""
    out = np.zeros((h, w), np.float32)
    weight, total = 1.0, 0.0
    for _ in range(octaves):
        n = max(2, int(cells))
        small = rng.random((n, max(2, int(n * w / h)))).astype(np.float32)
        out += weight * cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        total += weight
        weight, cells = weight * 0.55, cells * 2.1
    return out / total


def _gradient(h: int, w: int, rng: np.random.Generator) -> Float:
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    t = np.cos(turn) * x / w + np.sin(turn) * y / h
    t = (t - t.min()) / (np.ptp(t) + 1e-6)
    if rng.random() < 0.4:
        t = np.hypot(x / w - rng.uniform(0.2, 0.8), y / h - rng.uniform(0.2, 0.8))
    return np.asarray(_colour(rng) + (_colour(rng) - _colour(rng)) * t[..., None], np.float32)


def _wall(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.float32)
    out[:] = _colour(rng, 0.25, 0.9)
    out *= 0.85 + 0.3 * _noise(h, w, rng, 2, 5)[..., None]
    return out


def _indoor(h: int, w: int, rng: np.random.Generator) -> Float:
    out = _wall(h, w, rng)
    for _ in range(int(rng.integers(3, 9))):
        x, y = rng.integers(-w // 4, w), rng.integers(-h // 4, h)
        ww, hh = rng.integers(w // 12, w // 2), rng.integers(h // 12, h // 2)
        corner = (int(x + ww), int(y + hh))
        cv2.rectangle(out, (int(x), int(y)), corner, _scalar(_colour(rng)), -1)
        cv2.rectangle(out, (int(x), int(y)), corner, _scalar(_colour(rng)), max(1, w // 90))
    return _soft(out, w * rng.uniform(0.001, 0.02))


def _shelves(h: int, w: int, rng: np.random.Generator) -> Float:
    out = _wall(h, w, rng) * 0.5
    rows = int(rng.integers(2, 6))
    for r in range(rows):
        y0, y1 = r * h // rows, (r + 1) * h // rows - max(2, h // 60)
        x = 0
        while x < w:
            ww = int(rng.integers(max(2, w // 60), max(4, w // 16)))
            top = y0 + int(rng.uniform(0.05, 0.35) * (y1 - y0))
            cv2.rectangle(out, (x, top), (x + ww - 1, y1), _scalar(_colour(rng)), -1)
            x += ww + int(rng.random() < 0.12) * ww
    return _soft(out, w * rng.uniform(0.001, 0.015))


def _window(h: int, w: int, rng: np.random.Generator) -> Float:
    out = _wall(h, w, rng) * 0.6
    x0, y0 = int(w * rng.uniform(-0.2, 0.5)), int(h * rng.uniform(-0.1, 0.3))
    x1, y1 = x0 + int(w * rng.uniform(0.3, 0.7)), y0 + int(h * rng.uniform(0.4, 0.8))
    cv2.rectangle(out, (x0, y0), (x1, y1), _scalar(_colour(rng, 0.8, 1.0)), -1)
    for k in range(1, int(rng.integers(2, 5))):
        x = x0 + (x1 - x0) * k // 4
        cv2.line(out, (x, y0), (x, y1), _scalar(_colour(rng)), max(1, w // 60))
    return _soft(out, w * rng.uniform(0.001, 0.02))


def _bokeh(h: int, w: int, rng: np.random.Generator) -> Float:
    out = _gradient(h, w, rng) * 0.4
    for _ in range(int(rng.integers(10, 45))):
        layer = np.zeros_like(out)
        r = int(rng.uniform(0.015, 0.07) * w) + 1
        at = (int(rng.integers(0, w)), int(rng.integers(0, h)))
        cv2.circle(layer, at, r, _scalar(_colour(rng, 0.3, 1.0) * rng.uniform(0.2, 0.8)), -1)
        out += layer
    return _soft(out, w * 0.006)


def _foliage(h: int, w: int, rng: np.random.Generator) -> Float:
    n = _noise(h, w, rng, rng.uniform(4, 14), 6)[..., None]
    n = np.clip((n - 0.3) * 2.2, 0, 1)
    leaf = np.array([0.12, rng.uniform(0.35, 0.6), rng.uniform(0.15, 0.5)], np.float32)
    out = leaf * n + np.array([0.03, 0.08, 0.05], np.float32) * (1 - n)
    light = _noise(h, w, rng, 8, 3)[..., None] ** 5
    return _soft(np.asarray(out + light, np.float32), rng.uniform(0.4, 3))


def _sky(h: int, w: int, rng: np.random.Generator) -> Float:
    t = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    blue = np.array([0.85, 0.55, 0.3], np.float32) * rng.uniform(0.7, 1.1)
    haze = np.array([0.9, 0.85, 0.8], np.float32)
    clouds = np.clip(_noise(h, w, rng, 3, 6) * 2 - 0.7, 0, 1)[..., None]
    out = blue * (1 - t) + haze * t
    out = out + (0.97 - out) * clouds
    if rng.random() < 0.6:
        ground = int(h * rng.uniform(0.5, 0.9))
        soil = 0.7 + 0.6 * _noise(h, w, rng, 10, 4)[ground:, :, None]
        out[ground:] = _colour(rng, 0.1, 0.5) * soil
    return np.asarray(out, np.float32)


def _bricks(h: int, w: int, rng: np.random.Generator) -> Float:
    bh = max(4, int(h * rng.uniform(0.04, 0.12)))
    bw = int(bh * rng.uniform(1.6, 3.2))
    y, x = np.mgrid[0:h, 0:w]
    row = y // bh
    col = (x + (row % 2) * bw // 2) // bw
    tone = rng.random((int(row.max()) + 1, int(col.max()) + 1)).astype(np.float32)[row, col]
    joint = ((y % bh) < max(1, bh // 9)) | (((x + (row % 2) * bw // 2) % bw) < max(1, bh // 9))
    out = _colour(rng, 0.2, 0.6) * (0.7 + 0.5 * tone[..., None])
    out[joint] = _colour(rng, 0.3, 0.8)
    return np.asarray(out * (0.85 + 0.3 * _noise(h, w, rng, 20, 3)[..., None]), np.float32)


def _textile(h: int, w: int, rng: np.random.Generator) -> Float:
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(4, 30)
    u, v = np.cos(turn) * x + np.sin(turn) * y, -np.sin(turn) * x + np.cos(turn) * y
    a = np.sin(2 * np.pi * u / period) > rng.uniform(-0.6, 0.6)
    b = np.sin(2 * np.pi * v / (period * rng.uniform(0.6, 2))) > rng.uniform(-0.6, 0.6)
    c0, c1, c2 = _colour(rng), _colour(rng), _colour(rng)
    out = c0 + (c1 - c0) * a[..., None] * 0.7 + (c2 - c0) * b[..., None] * 0.4
    return np.asarray(out * (0.75 + 0.5 * _noise(h, w, rng, 4, 5)[..., None]), np.float32)


def _text(h: int, w: int, rng: np.random.Generator) -> Float:
    out = np.empty((h, w, 3), np.uint8)
    out[:] = 255 * _colour(rng, 0.6, 1.0)
    ink, step = _scalar(255 * _colour(rng, 0.0, 0.3)), max(6, int(h * rng.uniform(0.05, 0.15)))
    for y in range(step, h, step):
        letters = "".join(chr(int(c)) for c in rng.integers(65, 123, 40))
        at = (int(rng.integers(-20, 20)), y)
        cv2.putText(out, letters, at, int(rng.integers(0, 8)), step / 42.0, ink, 1, cv2.LINE_AA)
    return np.asarray(out / 255.0, np.float32)


def _checker(h: int, w: int, rng: np.random.Generator) -> Float:
    n = int(rng.integers(5, max(6, h // 6)))
    y, x = np.mgrid[0:h, 0:w]
    k = ((x // n + y // n) % 2)[..., None].astype(np.float32)
    return np.asarray(_colour(rng) * k + _colour(rng) * (1 - k), np.float32)


def _blobs(h: int, w: int, rng: np.random.Generator) -> Float:
    out = _gradient(h, w, rng)
    for _ in range(int(rng.integers(4, 25))):
        at = (int(rng.integers(0, w)), int(rng.integers(0, h)))
        axes = (int(rng.integers(2, max(3, w // 4))), int(rng.integers(2, max(3, h // 4))))
        turn = float(rng.integers(0, 180))
        cv2.ellipse(out, at, axes, turn, 0, 360, _scalar(_colour(rng)), -1, cv2.LINE_AA)
    return out


def _cloudy(h: int, w: int, rng: np.random.Generator) -> Float:
    n = _noise(h, w, rng, rng.uniform(2, 12), 6)[..., None]
    return np.asarray(_colour(rng) * n + _colour(rng) * (1 - n), np.float32)


BACKGROUNDS: dict[str, Callable[[int, int, np.random.Generator], Float]] = {
    "gradient": _gradient, "wall": _wall, "indoor": _indoor, "shelves": _shelves,
    "window": _window, "bokeh": _bokeh, "foliage": _foliage, "sky": _sky, "bricks": _bricks,
    "textile": _textile, "text": _text, "checker": _checker, "blobs": _blobs, "cloudy": _cloudy,
}  # fmt: skip


def background(height: int, width: int, seed: int, kind: str = "any") -> Picture:
    """Paint a background.

    Args:
        height: pixels.
        width: pixels.
        seed: decides everything left open.
        kind: a key of `BACKGROUNDS`, or "any", which is one of them; or "place" (see `places`).

    Returns:
        uint8 (height, width, 3) BGR.
    """
    if kind == "place":
        return place(height, width, seed)
    rng = np.random.default_rng([301, seed])
    names = list(BACKGROUNDS)
    draw = names[int(rng.integers(len(names)))]
    chosen = draw if kind == "any" else kind
    picture = BACKGROUNDS[chosen](height, width, rng)
    if chosen not in ("gradient", "wall") and rng.random() < 0.5:
        picture = _soft(picture, width * float(rng.uniform(0, 0.02)))
    return np.asarray(np.clip(picture * 255.0 + 0.5, 0, 255), np.uint8)
