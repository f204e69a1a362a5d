"""What a camera, a codec and an editor do to a picture, drawn at random and drawn hard.

Every function maps uint8 (H, W, 3) BGR to the same shape and leaves the place of things alone, so
that boxes and landmarks stay true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Rng = np.random.Generator

_NOISE = np.random.default_rng(11).standard_normal(1 << 21).astype(np.float32)


def tone(picture: Picture, rng: Rng, strength: float = 1.0) -> Picture:
    """Change gamma, gain, black level and colour cast by one table per channel."""
    ramp = np.linspace(0, 1, 256)
    table = np.empty((1, 256, 3), np.uint8)
    gamma = np.exp(rng.normal(0, 0.35) * strength)
    gain, lift = np.exp(rng.normal(0, 0.22) * strength), rng.normal(0, 0.07) * strength
    tint = rng.normal(0, 0.14 if rng.random() < 0.3 else 0.05, 3) * strength
    for channel in range(3):
        bent = ramp ** (gamma * np.exp(tint[channel] * 0.5)) * gain * (1 + tint[channel]) + lift
        table[0, :, channel] = np.clip(bent * 255, 0, 255)
    return cast(Picture, cv2.LUT(picture, table))


def saturation(picture: Picture, rng: Rng) -> Picture:
    """Move between grey and over-coloured."""
    amount = float(rng.uniform(0.0, 1.7))
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cast(Picture, cv2.addWeighted(picture, amount, grey, 1 - amount, 0))


def grey(picture: Picture, rng: Rng) -> Picture:
    """Drop all colour, at times towards sepia or another tint."""
    plain = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.3:
        tint = np.clip(rng.normal(1, 0.15, 3), 0.6, 1.4)
        plain = np.clip(plain * tint, 0, 255).astype(np.uint8)
    return cast(Picture, plain)


def hue(picture: Picture, rng: Rng) -> Picture:
    """Turn the colour circle: coloured lamps, wrong white balance."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(rng.integers(-14, 15))) % 180
    return cast(Picture, cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def blur(picture: Picture, rng: Rng) -> Picture:
    """Lose focus."""
    return cast(Picture, cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.8))))


def motion(picture: Picture, rng: Rng) -> Picture:
    """Smear along a line."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length - 1) / 2
    dx, dy = np.cos(angle) * reach, np.sin(angle) * reach
    start, stop = (round(reach - dx), round(reach - dy)), (round(reach + dx), round(reach + dy))
    cv2.line(kernel, start, stop, 1.0)
    kernel = kernel / max(float(kernel.sum()), 1.0)
    return cast(Picture, cv2.filter2D(picture, -1, kernel))


def noise(picture: Picture, rng: Rng) -> Picture:
    """Add sensor noise, fine or blotchy, coloured or grey."""
    height, width = picture.shape[:2]
    deviation = float(rng.uniform(2, 9) if rng.random() < 0.7 else rng.uniform(9, 28))
    coarse = int(rng.choice([1, 1, 2, 3]))
    rows, columns = height // coarse + 1, width // coarse + 1
    depth = 1 if rng.random() < 0.4 else 3
    start = int(rng.integers(0, len(_NOISE) - rows * columns * depth))
    field = _NOISE[start : start + rows * columns * depth].reshape(rows, columns, depth)
    if coarse > 1:
        size = (columns * coarse, rows * coarse)
        # OpenCV drops a channel axis of length one.
        enlarged = cv2.resize(field, size, interpolation=cv2.INTER_LINEAR)
        field = np.asarray(enlarged, np.float32).reshape(size[1], size[0], depth)
    noisy = picture + field[:height, :width] * deviation
    return np.clip(noisy, 0, 255).astype(np.uint8)


def jpeg(picture: Picture, rng: Rng) -> Picture:
    """Compress and decompress."""
    quality = int(rng.integers(18, 96))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cast(Picture, cv2.imdecode(data, cv2.IMREAD_COLOR))


def low_resolution(picture: Picture, rng: Rng) -> Picture:
    """Shrink and enlarge again with mixed filters."""
    height, width = picture.shape[:2]
    factor = float(rng.uniform(0.35, 0.85))
    filters = [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST, cv2.INTER_CUBIC]
    size = (max(8, int(width * factor)), max(8, int(height * factor)))
    small = cv2.resize(picture, size, interpolation=int(rng.choice(filters)))
    large = cv2.resize(small, (width, height), interpolation=int(rng.choice(filters[1:])))
    return cast(Picture, large)


def sharpen(picture: Picture, rng: Rng) -> Picture:
    """Sharpen as cameras and editors do, halos included."""
    amount = float(rng.uniform(0.4, 2.0))
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.8, 2.5)))
    return cast(Picture, cv2.addWeighted(picture, 1 + amount, soft, -amount, 0))


def posterise(picture: Picture, rng: Rng) -> Picture:
    """Keep few levels."""
    step = 256 // int(rng.integers(5, 24))
    return (picture // step * step + step // 2).astype(np.uint8)


def equalise(picture: Picture, rng: Rng) -> Picture:
    """Stretch local contrast."""
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
    clahe = cv2.createCLAHE(float(rng.uniform(1, 4)), (4, 4))
    lab[..., 0] = clahe.apply(np.ascontiguousarray(lab[..., 0]))
    return cast(Picture, cv2.cvtColor(lab, cv2.COLOR_LAB2BGR))


def shade(picture: Picture, rng: Rng) -> Picture:
    """Multiply by a vignette, a slope of light, or a hard-edged shadow."""
    height, width = picture.shape[:2]
    field = light_field(height, width, rng)
    return np.clip(picture * field, 0, 255).astype(np.uint8)


def light_field(height: int, width: int, rng: Rng) -> NDArray[np.float32]:
    """Return a field of light float32 (height, width, 1) about 1, at times tinted (…, 3)."""
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    kind, angle = rng.random(), rng.uniform(0, 2 * np.pi)
    field: NDArray[Any]
    slope = np.cos(angle) * columns + np.sin(angle) * rows + rng.uniform(-0.7, 0.7)
    if kind < 0.25:
        field = 1 - rng.uniform(0.2, 0.8) * (rows**2 + columns**2) / 2
    elif kind < 0.6:
        field = 1 + rng.uniform(0.1, 0.6) * slope
    elif kind < 0.85:
        edge = rng.uniform(1, 30)
        field = 1 - rng.uniform(0.2, 0.75) / (1 + np.exp(-np.clip(edge * slope, -30, 30)))
    else:
        spots = rng.normal(1, 0.3, (int(rng.integers(2, 6)), int(rng.integers(2, 6))))
        field = cv2.resize(spots.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    light: NDArray[np.float32] = np.clip(field, 0.1, 2.2).astype(np.float32)[..., None]
    if rng.random() < 0.25:
        tint = np.clip(rng.normal(1, 0.25, 3), 0.3, 1.7).astype(np.float32)
        light = light ** tint[None, None]
    return light


_LATE: tuple[tuple[float, Callable[[Picture, Rng], Picture]], ...] = (
    (0.10, shade), (0.55, tone), (0.30, saturation), (0.06, hue), (0.07, equalise),
    (0.22, blur), (0.08, motion), (0.12, low_resolution), (0.10, sharpen), (0.30, noise),
    (0.03, posterise), (0.12, grey), (0.40, jpeg),
)  # fmt: skip


def camera(picture: Picture, rng: Rng) -> Picture:
    """Send a whole canvas through a random camera: light, lens, sensor, codec, in that order."""
    if rng.random() < 0.06:
        return picture
    for chance, change in _LATE:
        if rng.random() < chance:
            picture = change(picture, rng)
    return picture
