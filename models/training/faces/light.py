"""How the compiled shading reads a scene's light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.faces.scene import Light

__all__ = ["light_vector"]

# Layout of the light vector.
KEY, KEY_RGB, FILL, FILL_RGB, SKY, GROUND, SPEC, SHADOW, RIM = 0, 3, 6, 9, 12, 15, 18, 19, 20


def light_vector(light: Light) -> NDArray[np.float64]:
    """Return the light as float64 (21,), in the layout above."""
    return np.array(
        [*light.key, *light.key_colour, *light.fill, *light.fill_colour, *light.sky, *light.ground,
         light.specular, light.shadow, light.rim]
    )  # fmt: skip
