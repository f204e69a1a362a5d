"""Photometric changes that carry rendered faces over to the statistics of photographs.

A change is drawn once and can then be applied to several pictures of one scene, so that a swap's
target and its ground truth stay alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from models.training.crops import Pixels

_NOISE = np.random.default_rng(7).standard_normal((1 << 20) + (1 << 17)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Photometric:
    """One change of colour, sharpness and compression.

    Attributes:
        curve: uint8 (1, 256, 3) tone curve per channel, BGR.
        grey: how far the picture goes to grey, 0 to 1.
        blur: sd of a Gaussian blur, in pixels of the crop; 0 for none.
        shrink: side of a smaller picture it went through, as a part of its own side; 1 for none.
        noise: sd of the noise, in levels.
        noise_from: where in the noise bank its noise begins.
        quality: JPEG quality; 0 for none.
    """

    curve: Pixels
    grey: float
    blur: float
    shrink: float
    noise: float
    noise_from: int
    quality: int

    def __call__(self, picture: Pixels) -> Pixels:
        """The changed picture, uint8 (H, W, 3) BGR; the argument stays as it is."""
        out = cast(Pixels, cv2.LUT(picture, self.curve))
        if self.grey > 0:
            grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            out = cast(Pixels, cv2.addWeighted(grey, self.grey, out, 1.0 - self.grey, 0.0))
        if self.blur > 0:
            out = cast(Pixels, cv2.GaussianBlur(out, (0, 0), self.blur))
        if self.shrink < 1:
            height, width = out.shape[:2]
            small = (max(int(width * self.shrink), 8), max(int(height * self.shrink), 8))
            reduced = cv2.resize(out, small, interpolation=cv2.INTER_AREA)
            out = cast(Pixels, cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR))
        if self.noise > 0:
            # Pictures may be larger than what is left of the bank: it begins again.
            places = np.arange(self.noise_from, self.noise_from + out.size)
            field = _NOISE.take(places, mode="wrap").reshape(out.shape)
            out = np.clip(out + field * self.noise + 0.5, 0, 255).astype(np.uint8)
        if self.quality:
            _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            out = cast(Pixels, cv2.imdecode(data, cv2.IMREAD_COLOR))
        return out


def sample_photometric(rng: np.random.Generator, strength: float = 1.0) -> Photometric:
    """Draw a change; `strength` 1 is what an embedder bears, lower is milder and rarer."""

    def chance(value: float) -> bool:
        return bool(rng.random() < value * strength)

    levels = np.linspace(0.0, 1.0, 256)[:, None]
    gamma = np.exp(rng.normal(0, 0.22 * strength))
    contrast = np.exp(rng.normal(0, 0.18 * strength))
    gain = np.exp(rng.normal(0, 0.10 * strength) + rng.normal(0, 0.07 * strength, 3))
    lift = rng.normal(0, 0.05 * strength)
    curve = ((levels**gamma - 0.5) * contrast + 0.5) * gain + lift
    return Photometric(
        curve=np.clip(curve * 255 + 0.5, 0, 255).astype(np.uint8)[None],
        grey=float(rng.choice([1.0, rng.random()])) if chance(0.2) else 0.0,
        blur=float(rng.uniform(0.4, 1.8)) if chance(0.25) else 0.0,
        shrink=float(rng.uniform(0.25, 0.9)) if chance(0.3) else 1.0,
        noise=float(rng.exponential(5.0)) + 0.5 if chance(0.4) else 0.0,
        noise_from=int(rng.integers(0, 1 << 20)),
        quality=int(rng.integers(30, 96)) if chance(0.5) else 0,
    )


def occluded(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Hide a part of a crop behind a filled ellipse or bar of one colour with noise."""
    out = picture.copy()
    side = out.shape[0]
    colour = rng.integers(0, 256, 3).tolist()
    middle = rng.uniform(0, side, 2).astype(int).tolist()
    half = rng.uniform(0.06 * side, 0.28 * side, 2).astype(int).tolist()
    if rng.random() < 0.5:
        cv2.ellipse(out, middle, half, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    else:
        corner = [middle[0] + half[0], middle[1] + half[1]]
        cv2.rectangle(out, middle, corner, colour, -1)
    return out
