"""Everything in a training canvas that is not a face: backgrounds, objects, look-alikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector.augment import Picture, Rng, light_field, tone
from models.training.detector.photos import default_cache, load

LETTERS = "ABCDEFGHKLMNOPRSTUVXYZabcdeghmnoprstu0123456789&%@#?!:;()[]{}"


@dataclass
class Bank:
    """The pictures that canvases are made of; one half of them, train or held.

    Attributes:
        photos: photographs of things and places, BGR.
        textures: walls, floors, cloth, stone, wood, BGR.
        stamps: objects cut out, BGRA.
    animals: heads of animals from the front, drawn, BGRA.
        drawn: procedural backgrounds, BGR.
        hard: places that an earlier detector took for a face, BGR.
    """

    photos: list[Picture] = field(default_factory=list)
    textures: list[Picture] = field(default_factory=list)
    stamps: list[Picture] = field(default_factory=list)
    animals: list[Picture] = field(default_factory=list)
    drawn: list[Picture] = field(default_factory=list)
    hard: list[Picture] = field(default_factory=list)


def open_bank(half: str, cache: Path | None = None) -> Bank:
    """Read the pictures of one half, and what else the cache holds for it."""
    kinds = ("photos", "textures", "stamps", "animals", "drawn", "hard")
    return Bank(**{kind: load(half, kind, cache or default_cache()) for kind in kinds})


def skin(rng: Rng) -> NDArray[np.float64]:
    """Draw a colour of skin, wood, clay or sand, BGR 0..255."""
    red = rng.uniform(50, 250)
    green = red * rng.uniform(0.55, 0.88)
    return np.array([green * rng.uniform(0.55, 0.95), green, red])


def colour(rng: Rng) -> tuple[float, float, float]:
    """Draw any colour, BGR 0..255, dull ones more often, as in the world."""
    drawn = rng.uniform(0, 255, 3)
    drawn = drawn.mean() + (drawn - drawn.mean()) * rng.uniform(0, 1)
    blue, green, red = np.clip(drawn, 0, 255)
    return float(blue), float(green), float(red)


def crop(picture: Picture, size: int, rng: Rng) -> Picture:
    """Cut a square of any scale out of ``picture`` and bring it to ``size``, at times mirrored."""
    height, width = picture.shape[:2]
    side = int(size * np.exp(rng.uniform(np.log(0.35), np.log(4))))
    side = max(16, min(side, height, width))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    part = picture[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    part = cast(Picture, cv2.resize(part, (size, size), interpolation=method))
    return part[:, ::-1] if rng.random() < 0.5 else part


def tiles(picture: Picture, size: int, rng: Rng) -> Picture:
    """Repeat a texture over a square at a random scale."""
    factor = float(np.exp(rng.uniform(np.log(0.25), np.log(1.5))))
    scaled = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    tile = cast(Picture, scaled)
    repeat = (size // tile.shape[0] + 2, size // tile.shape[1] + 2, 1)
    top, left = rng.integers(0, tile.shape[0]), rng.integers(0, tile.shape[1])
    return np.tile(tile, repeat)[top : top + size, left : left + size]


def cloud(size: int, rng: Rng) -> Picture:
    """Blotches of a few colours at several scales: plaster, foliage, cloth, skin."""
    total = np.zeros((size, size, 3), np.float32)
    base = skin(rng) if rng.random() < 0.4 else np.array(colour(rng))
    for cells in (2, 5, 12, 40):
        patch = rng.normal(0, 1, (cells, cells, int(rng.choice([1, 3])))).astype(np.float32)
        smooth = cv2.resize(patch, (size, size), interpolation=cv2.INTER_CUBIC)
        total += smooth.reshape(size, size, -1) * rng.uniform(0, 45) / np.sqrt(cells / 2)
    return np.clip(total + base, 0, 255).astype(np.uint8)


def shapes(size: int, rng: Rng, count: int) -> Picture:
    """Discs, boxes, lines, stripes and letters on one colour: signs, windows, dolls, graphics."""
    canvas = np.full((size, size, 3), colour(rng), np.uint8)
    for _ in range(count):
        at = (int(rng.integers(0, size)), int(rng.integers(0, size)))
        paint, kind, extent = colour(rng), rng.random(), int(rng.integers(3, size // 3))
        line = -1 if rng.random() < 0.6 else int(rng.integers(1, 5))
        if kind < 0.35:
            axes = (extent, max(2, int(extent * rng.uniform(0.4, 1))))
            cv2.ellipse(canvas, at, axes, float(rng.uniform(0, 180)), 0, 360, paint, line)
        elif kind < 0.6:
            corner = (at[0] + extent, at[1] + max(2, int(extent * rng.uniform(0.2, 2))))
            cv2.rectangle(canvas, at, corner, paint, line)
        elif kind < 0.8:
            for step in range(0, extent, int(rng.integers(3, 12))):
                cv2.line(canvas, (at[0], at[1] + step), (at[0] + extent, at[1] + step), paint, 2)
        else:
            text = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 7))))
            scale = float(rng.uniform(0.4, 3))
            cv2.putText(canvas, text, at, int(rng.integers(0, 8)), scale, paint, abs(line) + 1)
    return canvas


def background(bank: Bank, size: int, rng: Rng) -> Picture:
    """Draw a canvas uint8 (size, size, 3) BGR without a face, at times a mosaic of several."""
    if rng.random() < 0.12:
        quarters = [one_background(bank, size, rng) for _ in range(2)]
        cut = int(rng.integers(size // 4, size * 3 // 4))
        first, second = quarters[0].copy(), quarters[1]
        if rng.random() < 0.5:
            first[:cut] = second[:cut]
        else:
            first[:, :cut] = second[:, :cut]
        return first
    return np.ascontiguousarray(one_background(bank, size, rng))


def one_background(bank: Bank, size: int, rng: Rng) -> Picture:
    """Draw one background of one kind."""
    kind = rng.random()
    if kind < 0.07 and bank.hard:
        return crop(bank.hard[rng.integers(len(bank.hard))], size, rng)
    if kind < 0.52 and bank.photos:
        return crop(bank.photos[rng.integers(len(bank.photos))], size, rng)
    if kind < 0.66 and bank.textures:
        texture = bank.textures[rng.integers(len(bank.textures))]
        return tiles(texture, size, rng) if rng.random() < 0.6 else crop(texture, size, rng)
    if kind < 0.80 and bank.drawn:
        return crop(bank.drawn[rng.integers(len(bank.drawn))], size, rng)
    if kind < 0.88:
        return shapes(size, rng, int(rng.integers(3, 40)))
    if kind < 0.91:
        field_ = light_field(size, size, rng) * np.array(colour(rng))
        return np.clip(field_, 0, 255).astype(np.uint8)
    return cloud(size, rng)


def paste(canvas: Picture, cutout: Picture, left: int, top: int) -> None:
    """Blend uint8 (h, w, 4) BGRA over the canvas in place; what lies outside is cut off."""
    height, width = canvas.shape[:2]
    y0, y1 = max(0, top), min(height, top + cutout.shape[0])
    x0, x1 = max(0, left), min(width, left + cutout.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    part = cutout[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = part[..., 3:].astype(np.float32) * (1 / 255)
    below = canvas[y0:y1, x0:x1]
    below[:] = (part[..., :3] * alpha + below * (1 - alpha) + 0.5).astype(np.uint8)


def turned(cutout: Picture, side: float, rng: Rng, angle: float = 40.0) -> Picture:
    """Scale BGRA so that its long side is ``side``, turn it, and change its tone."""
    height, width = cutout.shape[:2]
    factor = side / max(height, width)
    room = int(np.ceil(np.hypot(height, width) * factor)) + 2
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-angle, angle), factor)
    matrix = np.asarray(turn, np.float64)
    matrix[:, 2] += room / 2 - np.array([width / 2, height / 2])
    small = cast(Picture, cv2.warpAffine(cutout, matrix, (room, room), flags=cv2.INTER_LINEAR))
    small[..., :3] = tone(np.ascontiguousarray(small[..., :3]), rng)
    return small[:, ::-1] if rng.random() < 0.5 else small


def blob(side: int, rng: Rng) -> Picture:
    """Draw BGRA of a shaded blob of skin colour, with or without dots where eyes could be.

    It is a head to a lazy eye: an egg, a ball, a bread, a knee, the back of a bald head.
    """
    out = np.zeros((side, side, 4), np.uint8)
    height, width = side * rng.uniform(0.3, 0.5), side * rng.uniform(0.25, 0.5)
    centre = (side // 2, side // 2)
    alpha = np.zeros((side, side), np.uint8)
    cv2.ellipse(alpha, centre, (int(width), int(height)), 0, 0, 360, 255, -1, cv2.LINE_AA)
    paint = skin(rng) if rng.random() < 0.7 else np.array(colour(rng))
    out[..., :3] = np.clip(light_field(side, side, rng) * paint, 0, 255)
    dots, dark = rng.random(), [float(c) for c in paint * rng.uniform(0.05, 0.6)]
    if dots < 0.6:
        # Dots, but not a face: too few, too many, out of line or out of place.
        for _ in range(int(rng.integers(1, 6))):
            at = (int(rng.uniform(0.25, 0.75) * side), int(rng.uniform(0.2, 0.8) * side))
            size = max(1, int(side * rng.uniform(0.02, 0.09)))
            cv2.ellipse(out, at, (size, max(1, size // 2)), 0, 0, 360, [*dark, 0], -1)
    out[..., 3] = cv2.GaussianBlur(alpha, (0, 0), 0.6 + side * 0.004)
    return out


def bar(side: int, rng: Rng) -> Picture:
    """Draw BGRA of a straight bar of one colour."""
    length = 3 * side
    out = np.empty((max(2, int(length * rng.uniform(0.03, 0.12))), length, 4), np.uint8)
    out[..., :3] = np.clip(light_field(*out.shape[:2], rng) * np.array(colour(rng)), 0, 255)
    out[..., 3] = 255
    return out


def limb(side: int, rng: Rng) -> Picture:
    """Draw BGRA of a few joined capsules of one colour: fingers, arms, legs, branches."""
    alpha = np.zeros((side, side), np.uint8)
    at = rng.uniform(0.2, 0.8, 2) * side
    for _ in range(int(rng.integers(2, 8))):
        to = np.clip(at + rng.normal(0, 0.3, 2) * side, 0, side)
        thick = max(2, int(side * rng.uniform(0.05, 0.22)))
        ends = [(int(p[0]), int(p[1])) for p in (at, to)]
        cv2.line(alpha, ends[0], ends[1], 255, thick, cv2.LINE_AA)
        at = to if rng.random() < 0.5 else at
    shade = cv2.GaussianBlur(alpha, (0, 0), max(1.0, side * 0.05)).astype(np.float32) / 255
    lit = 0.45 + 0.75 * shade[..., None]
    out = np.empty((side, side, 4), np.uint8)
    out[..., :3] = np.clip(skin(rng) * lit * light_field(side, side, rng), 0, 255)
    out[..., 3] = alpha
    return out


def scatter(canvas: Picture, bank: Bank, rng: Rng, mean: float) -> None:
    """Strew objects and look-alikes over the canvas, in place."""
    size = canvas.shape[0]
    for _ in range(min(6, int(rng.poisson(mean)))):
        side = int(np.exp(rng.uniform(np.log(14), np.log(size * 0.8))))
        kind = rng.random()
        if kind < 0.45 and bank.stamps:
            cutout = turned(bank.stamps[rng.integers(len(bank.stamps))], side, rng)
        elif kind < 0.60 and bank.animals:
            cutout = turned(bank.animals[rng.integers(len(bank.animals))], side, rng)
        elif kind < 0.80:
            cutout = turned(blob(max(side, 16), rng), side, rng, 60)
        else:
            cutout = turned(limb(max(side, 16), rng), side, rng, 180)
        top, left = rng.integers(-side // 2, size, 2)
        paste(canvas, cutout, int(left), int(top))
