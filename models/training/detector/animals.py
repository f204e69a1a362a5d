"""Heads of animals of no kind from the front: what is most easily taken for a person's face.

Eyes, a nose and a mouth in one line, on fur: few photographs of things show that, so they are
drawn, each another one. All of them are negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector.augment import Picture, Rng, light_field

Floats = NDArray[np.float32]
Colour = NDArray[Any]
Point = tuple[float, float]


def fur(rng: Rng) -> Colour:
    """Draw a colour of fur or feathers, BGR 0..255: brown, sand, red, grey, white or black."""
    bright = float(rng.uniform(25, 245))
    warm = rng.uniform(0, 0.65) if rng.random() < 0.75 else rng.uniform(0, 0.08)
    return np.array([bright * (1 - warm), bright * (1 - warm * rng.uniform(0.35, 0.6)), bright])


@dataclass(frozen=True, slots=True)
class Head:
    """An animal's head.

    Attributes:
        x: of its middle, a share of the picture's side like all lengths here.
        y: of its middle.
        wide: half its width.
        tall: half its height.
        coat: (3,) its colour, BGR 0..255.
    """

    x: float
    y: float
    wide: float
    tall: float
    coat: Colour


class Drawing:
    """A square that is painted over layer by layer, and knows what belongs to the animal."""

    def __init__(self, side: int, rng: Rng) -> None:
        """Take the side in pixels; lengths below are shares of it."""
        self.side, self.rng = side, rng
        self.colour: Floats = np.zeros((side, side, 3), np.float32)
        self.alpha: Floats = np.zeros((side, side), np.float32)

    def at(self, point: Point) -> tuple[int, int]:
        """A place in pixels."""
        return round(point[0] * self.side), round(point[1] * self.side)

    def oval(self, centre: Point, axes: Point, angle: float = 0.0) -> Floats:
        """Return a mask (S, S) in 0..1 of an ellipse with these half axes, turned by degrees."""
        mask = np.zeros((self.side, self.side), np.uint8)
        half = (max(1, round(axes[0] * self.side)), max(1, round(axes[1] * self.side)))
        cv2.ellipse(mask, self.at(centre), half, angle, 0, 360, 255, -1, cv2.LINE_AA)
        return mask.astype(np.float32) / np.float32(255)

    def corners(self, points: list[Point]) -> Floats:
        """Return a mask (S, S) in 0..1 of a polygon."""
        mask = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(mask, [np.array([self.at(p) for p in points], np.int32)], 255, cv2.LINE_AA)
        return mask.astype(np.float32) / np.float32(255)

    def curve(self, points: list[Point], width: float) -> Floats:
        """Return a mask (S, S) in 0..1 of a line through points."""
        mask = np.zeros((self.side, self.side), np.uint8)
        line = [np.array([self.at(p) for p in points], np.int32)]
        cv2.polylines(mask, line, False, 255, max(1, round(width * self.side)), cv2.LINE_AA)
        return mask.astype(np.float32) / np.float32(255)

    def soft(self, mask: Floats, reach: float) -> Floats:
        """Let the border of a mask run out over a share of the side."""
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, reach * self.side)), np.float32)

    def lay(self, mask: Floats, paint: Colour | Floats, part: bool = True) -> None:
        """Paint through a mask; what is no part of the animal's outline stays inside it."""
        weight = mask if part else mask * self.alpha
        self.colour += weight[..., None] * (paint - self.colour)
        if part:
            self.alpha = np.maximum(self.alpha, mask)

    def hairs(self, depth: float) -> Floats:
        """Return a field (S, S, 1) about 1 of short hairs that run down and outwards."""
        noise = self.rng.normal(0, 1, (self.side, self.side)).astype(np.float32)
        length = int(self.rng.integers(3, 4 + self.side // 16))
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        lean = int(self.rng.integers(-length // 2, length // 2 + 1))
        cv2.line(kernel, (length - lean, 0), (length + lean, 2 * length), 1.0)
        blurred = np.asarray(cv2.filter2D(noise, -1, kernel / kernel.sum()), np.float32)
        return (1 + depth * blurred / max(float(blurred.std()), 1e-6))[..., None]


def _ears(drawing: Drawing, head: Head) -> None:
    rng, wide, tall, coat = drawing.rng, head.wide, head.tall, head.coat
    kind = rng.random()
    long = rng.uniform(0.5, 1.3) * tall if kind < 0.8 else rng.uniform(1.2, 2.0) * tall
    broad, spread = rng.uniform(0.25, 0.6) * wide, rng.uniform(0.5, 1.15)
    tilt = rng.uniform(0.0, 1.1) if kind < 0.8 else rng.uniform(-0.1, 0.5)
    inner = coat * rng.uniform(0.35, 1.1) + np.array([35, 40, 70]) * rng.uniform(0, 1)
    for way in (-1, 1):
        root = (head.x + way * spread * wide * 0.8, head.y - rng.uniform(0.5, 0.75) * tall)
        out = np.array([way * np.sin(tilt), -np.cos(tilt)])
        across = np.array([out[1], -out[0]])
        for share, paint in ((1.0, coat * rng.uniform(0.7, 1.0)), (0.6, inner)):
            if kind < 0.45:
                tip = np.array(root) + out * long * share
                base = across * broad * share
                ring = [np.array(root) - base, tip, np.array(root) + base]
                drawing.lay(drawing.corners([(p[0], p[1]) for p in ring]), paint)
            else:
                half = np.array(root) + out * long * 0.5
                angle = float(np.degrees(np.arctan2(out[1], out[0])))
                axes = (long * 0.55 * share, broad * share)
                drawing.lay(drawing.oval((half[0], half[1]), axes, angle), paint)


def _eyes(drawing: Drawing, head: Head) -> None:
    rng, wide, tall, coat = drawing.rng, head.wide, head.tall, head.coat
    apart, height = rng.uniform(0.38, 0.85) * wide, head.y - rng.uniform(0.02, 0.4) * tall
    size = rng.uniform(0.07, 0.2) * wide
    round_ = rng.uniform(0.55, 1.0)
    slant = rng.uniform(-25, 25)
    iris = np.array([rng.uniform(0, 90), rng.uniform(20, 180), rng.uniform(20, 220)])
    rim, chance = coat * rng.choice([0.25, 0.4, 1.5]), rng.random()
    for way in (-1, 1):
        centre = (head.x + way * apart, height)
        if chance < 0.7:
            mask = drawing.oval(centre, (size * 1.5, size * 1.5 * round_), way * slant)
            drawing.lay(drawing.soft(mask, 0.006), np.clip(rim, 0, 255), part=False)
        drawing.lay(drawing.oval(centre, (size, size * round_), way * slant), iris, part=False)
        pupil = size * rng.uniform(0.45, 0.98)
        drawing.lay(drawing.oval(centre, (pupil, pupil * round_)), np.full(3, 8.0), part=False)
        light = (centre[0] - 0.3 * size, centre[1] - 0.3 * size * round_)
        if rng.random() < 0.7:
            spark = drawing.oval(light, (size * 0.2, size * 0.2))
            drawing.lay(spark, np.full(3, 235.0), part=False)


def _muzzle(drawing: Drawing, head: Head) -> None:
    rng, wide, tall, coat = drawing.rng, head.wide, head.tall, head.coat
    low = head.y + rng.uniform(0.3, 0.75) * tall
    broad, long = rng.uniform(0.3, 0.65) * wide, rng.uniform(0.25, 0.55) * tall
    paint = np.clip(coat * rng.uniform(0.4, 1.7) + rng.uniform(0, 50), 0, 250)
    drawing.lay(drawing.soft(drawing.oval((head.x, low), (broad, long)), 0.01), paint)
    if rng.random() < 0.5:  # a blaze, or a dark bridge
        bridge = drawing.oval((head.x, head.y), (broad * rng.uniform(0.3, 0.9), tall * 0.7))
        stripe = np.clip(coat * rng.uniform(0.4, 1.8), 0, 250)
        drawing.lay(drawing.soft(bridge, 0.015) * 0.8, stripe, part=False)
    dark = coat * rng.uniform(0.05, 0.35)
    nose = (head.x, low - rng.uniform(0.1, 0.5) * long)
    size = rng.uniform(0.12, 0.34) * wide
    if rng.random() < 0.75:
        half = (size, size * rng.uniform(0.45, 0.9))
        skin = dark if rng.random() < 0.7 else np.array([120, 130, 190]) * rng.uniform(0.5, 1.1)
        drawing.lay(drawing.oval(nose, half), skin, part=False)
    for way in (-1, 1):
        hole = (nose[0] + way * size * rng.uniform(0.4, 0.9), nose[1] + 0.15 * size)
        drawing.lay(drawing.oval(hole, (size * 0.25, size * 0.16)), dark * 0.4, part=False)
    if rng.random() < 0.8:
        mouth, droop = nose[1] + rng.uniform(0.9, 2.0) * size, rng.uniform(-0.3, 0.8) * size
        ends = broad * rng.uniform(0.4, 0.95)
        line = [
            (nose[0] - ends, mouth + droop), (nose[0], mouth), (nose[0] + ends, mouth + droop)
        ]  # fmt: skip
        thin = rng.uniform(0.006, 0.016)
        drawing.lay(drawing.curve(line, thin), dark, part=False)
        drawing.lay(drawing.curve([nose, (nose[0], mouth)], thin), dark, part=False)


def _marks(drawing: Drawing, coat: Colour) -> None:
    """Spots or stripes over what is there."""
    rng = drawing.rng
    if rng.random() < 0.7:
        return
    for _ in range(int(rng.integers(5, 40))):
        at = (rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9))
        size = rng.uniform(0.005, 0.04)
        spot = drawing.oval(at, (size, size * rng.uniform(1, 5)), rng.uniform(0, 180))
        paint = np.clip(coat * rng.choice([0.3, 0.5, 1.6]), 0, 255)
        drawing.lay(drawing.soft(spot, 0.004) * 0.8, paint, part=False)


def _behind(drawing: Drawing, head: Head) -> None:
    """A body, a mane and ears, if it has them."""
    rng, coat = drawing.rng, head.coat
    if rng.random() < 0.65:
        body = (head.x + rng.uniform(-0.3, 0.3), 0.95)
        drawing.lay(drawing.oval(body, (rng.uniform(0.2, 0.45), rng.uniform(0.3, 0.5))), coat * 0.8)
    if rng.random() < 0.2:
        grow = rng.uniform(1.25, 1.7)
        mane = drawing.oval((head.x, head.y), (head.wide * grow, head.tall * grow))
        drawing.lay(drawing.soft(mane, 0.012), coat * rng.uniform(0.35, 0.8))
    if rng.random() < 0.85:
        _ears(drawing, head)


def animal(side: int, rng: Rng) -> Picture:
    """Draw the head of an animal from the front, with or without its body.

    Args:
        side: of the square, pixels; from 64 on there is something to see.
        rng: draws everything.

    Returns:
        uint8 (side, side, 4) BGRA; the head is about its middle, and 0.4 to 0.65 of it high.
    """
    drawing, coat = Drawing(side, rng), fur(rng)
    x, y = 0.5 + rng.uniform(-0.04, 0.04), 0.46 + rng.uniform(-0.04, 0.06)
    head = Head(x, y, rng.uniform(0.14, 0.27), rng.uniform(0.19, 0.3), coat)
    _behind(drawing, head)
    drawing.lay(drawing.oval((x, y), (head.wide, head.tall)), coat)
    above = drawing.oval((x, y - 0.5 * head.tall), (head.wide * 0.8, head.tall * 0.4))
    brow = np.clip(coat * rng.uniform(0.5, 1.6), 0, 250)
    drawing.lay(drawing.soft(above, 0.03) * rng.uniform(0, 0.6), brow, part=False)
    _marks(drawing, coat)
    _muzzle(drawing, head)
    _eyes(drawing, head)
    inner = drawing.oval((x, y), (head.wide * 0.75, head.tall * 0.8))
    lit = drawing.colour * (0.6 + 0.5 * drawing.soft(inner, 0.06)[..., None])
    lit = lit * light_field(side, side, rng) * drawing.hairs(rng.uniform(0.02, 0.3))
    lit = np.asarray(cv2.GaussianBlur(lit.astype(np.float32), (0, 0), rng.uniform(0.3, 0.8)))
    out = np.empty((side, side, 4), np.uint8)
    out[..., :3] = np.clip(lit, 0, 255)
    out[..., 3] = np.clip(drawing.soft(drawing.alpha, 0.003) * 255, 0, 255)
    return out
