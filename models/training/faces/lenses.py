"""What the glass of spectacles does to what is behind it: refraction, tint and mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.scene import Scene
from models.training.faces.wardrobe import HeadPart

__all__ = ["glaze"]

F32 = NDArray[np.float32]


def _mirrored(x: F32, y: F32, size: float, scene: Scene, tint: float) -> tuple[F32, F32]:
    """Return (strength 0..1, display BGR) of what a lens mirrors, per pixel.

    A lens is part of a sphere, so that the key stands in it as a small bright patch, and a weak
    stripe of the surroundings runs across.
    """
    light = scene.light
    # The half vector between the viewer and the lamp says where on a sphere the image is.
    half = np.array(light.key) + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    u, v = x / size - 1.5 * half[0], y / size + 1.5 * half[1]
    radius = 0.16 + 0.30 * light.size
    away = np.maximum(np.abs(u), np.abs(v)) if light.square > 0.5 else np.hypot(u, v)
    patch = np.clip((radius + 0.06 - away) / 0.12, 0, 1) * 0.55
    stripe = np.clip(np.sin((x + 0.7 * y) / size * 2.2 + scene.seed % 7) - 0.45, 0, 1)
    sheen = (0.05 + 0.12 * tint) * (0.3 + stripe) * np.clip(0.6 - y / size, 0.1, 1)
    around = np.array(light.sky)[::-1] ** 0.4545 * 255.0
    lamp = np.clip(np.array(light.key_colour)[::-1], 0, 1) ** 0.4545 * 255.0
    strength = patch + sheen
    colour = (patch[..., None] * lamp + sheen[..., None] * around) / (strength[..., None] + 1e-6)
    return strength.astype(np.float32), colour.astype(np.float32)


def glaze(
    picture: F32, mask: F32, lenses: Sequence[NDArray[Any]], head: HeadPart, scene: Scene
) -> None:
    """Put glass into a frame, in place.

    Args:
        picture: float32 (H, W, 3) display BGR, 0..255.
        mask: float32 (H, W), what a swap may change, 0..1.
        lenses: outlines in pixels, each (N, 2).
        head: tint and strength of the glasses.
        scene: light.
    """
    height, width = mask.shape
    # Most people are short-sighted: what is behind the glass looks smaller.
    zoom = 1.0 + 0.06 * (head.glasses_thick - 0.25) * (1.0 - float(head.glasses_tint > 0))
    for outline in lenses:
        low = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, [width, height])
        if np.any(high - low < 3):
            continue
        (x0, y0), (x1, y1) = low, high
        cover = np.zeros((y1 - y0, x1 - x0), np.float32)
        inner = np.round((outline - low) * 16).astype(np.int32)
        cv2.fillPoly(cover, [inner], 1.0, cv2.LINE_AA, 4)
        middle = outline.mean(0)
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        x, y = x - np.float32(middle[0]), y - np.float32(middle[1])
        size = max(1.0, float(np.ptp(outline[:, 0])) / 2)
        part, hidden = picture[y0:y1, x0:x1], mask[y0:y1, x0:x1]
        at_x = (middle[0] - x0 + x * zoom).astype(np.float32)
        at_y = (middle[1] - y0 + y * zoom).astype(np.float32)
        behind, through = (
            np.asarray(
                cv2.remap(plane, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
                np.float32,
            )
            for plane in (part, hidden)
        )
        dark = np.float32((1.0 - head.glasses_tint) ** 0.4545)
        strength, colour = _mirrored(x, y, size, scene, head.glasses_tint)
        seen = behind * dark
        seen = seen + (colour - seen) * strength[..., None]
        part += (seen - part) * cover[..., None]
        hidden += (through * np.float32(1.0 - 0.8 * head.glasses_tint) - hidden) * cover
