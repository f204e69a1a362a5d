"""How the compiled shading reads a scene's light, and what it takes from a picture around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.training.faces.scene import Light
from models.training.faces.wardrobe import HeadPart

__all__ = ["ambient", "bounced", "light_vector", "surrounded"]

# Layout of the light vector. CUBE holds what comes from +x, -x, +y, -y, +z and -z.
KEY, KEY_RGB, FILL, FILL_RGB, CUBE, SPEC, SHADOW, RIM, SIZE, SQUARE = (
    0, 3, 6, 9, 12, 30, 31, 32, 33, 34,
)  # fmt: skip


def light_vector(light: Light) -> NDArray[np.float64]:
    """Return the light as float64 (35,), in the layout above."""
    return np.array(
        [*light.key, *light.key_colour, *light.fill, *light.fill_colour, *light.right, *light.left,
         *light.sky, *light.ground, *light.front, *light.back, light.specular, light.shadow,
         light.rim, light.size, light.square]
    )  # fmt: skip


@njit(cache=True, fastmath=True, inline="always")
def ambient(light: Any, x: float, y: float, z: float, c: int) -> float:
    """Return what comes from around a direction, of one colour: the ambient cube of Half-Life 2.

    J. McTaggart, "Half-Life 2 / Valve Source Shading", GDC 2004.
    """
    a = light[CUBE + c] if x > 0.0 else light[CUBE + 3 + c]
    b = light[CUBE + 6 + c] if y > 0.0 else light[CUBE + 9 + c]
    d = light[CUBE + 12 + c] if z > 0.0 else light[CUBE + 15 + c]
    return x * x * a + y * y * b + z * z * d


def bounced(light: Light, head: HeadPart) -> Light:
    """Add what a head's clothes throw up to its chin."""
    cloth = np.array([head.cloth_r, head.cloth_g, head.cloth_b])
    falls = np.array(light.sky) + np.array(light.key_colour) * max(0.0, light.key[1] + 0.2)
    ground = np.array(light.ground) + 0.35 * cloth * falls
    return replace(light, ground=(float(ground[0]), float(ground[1]), float(ground[2])))


def surrounded(light: Light, picture: NDArray[np.uint8]) -> Light:
    """Let a light take colour from the picture that the person stands in.

    Args:
        light: the scene's.
        picture: uint8 (H, W, 3) BGR.
    """
    small = cv2.resize(picture, (3, 3), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    linear = small[..., ::-1] ** 2.2
    mean = float(linear.mean()) + 0.02
    parts = {
        "left": linear[:, 0].mean(0), "right": linear[:, 2].mean(0), "sky": linear[0].mean(0),
        "ground": linear[2].mean(0), "back": linear.mean((0, 1)),
    }  # fmt: skip
    changed = {}
    for name, colour in parts.items():
        own = np.array(getattr(light, name))
        level = own.mean()
        near = level * np.clip(colour / mean, 0.25, 3.0)
        mixed = 0.6 * own + 0.4 * near
        changed[name] = (float(mixed[0]), float(mixed[1]), float(mixed[2]))
    return replace(light, **changed)  # type: ignore[arg-type]
