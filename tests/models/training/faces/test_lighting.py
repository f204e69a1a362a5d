"""Surfaces under light: the red terminator, highlights, half-shadows."""

import pytest

pytest.importorskip("numba")

import numpy as np

from models.training.faces.light import KEY, KEY_RGB, SIZE, SPEC, light_vector
from models.training.faces.lighting import lit, shadowed
from models.training.faces.scene import sample_scene


def _lit(angle: float, gloss: float = 0.0, shadow: float = 1.0) -> np.ndarray:
    """Light grey skin whose normal is turned away from a white key by some degrees."""
    light = np.zeros_like(light_vector(sample_scene(1).light))
    light[KEY + 2], light[KEY_RGB : KEY_RGB + 3], light[SPEC] = 1.0, 1.0, 1.0
    n = np.array([np.sin(np.radians(angle)), 0.0, np.cos(np.radians(angle))])
    out = np.empty(3)
    lit(
        n, n, np.array([0.0, 0.0, 1.0]), np.full(3, 0.5), light, shadow, 1.0, 0.45, gloss, 12.0, out
    )
    return out


def test_light_falls_off_and_reddens_behind_the_terminator() -> None:
    assert _lit(0)[0] > _lit(60)[0] > _lit(100)[0] > 0
    red, _, blue = _lit(100)
    assert red > 2 * blue


def test_a_half_shadow_is_red() -> None:
    red, green, blue = _lit(0, shadow=0.5)
    assert red > green > blue


def test_gloss_adds_a_highlight_that_shadow_takes() -> None:
    assert _lit(0, gloss=1.0)[1] > _lit(0)[1]
    assert _lit(0, gloss=1.0, shadow=0.0)[1] == pytest.approx(_lit(0, shadow=0.0)[1], abs=1e-3)


@pytest.mark.parametrize("size", [0.02, 0.5])
def test_a_large_lamp_throws_a_soft_shadow(size: float) -> None:
    """A wall at the left, 6 cm nearer to a lamp ahead, shades what lies behind it."""
    axes = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-23.0, 23.0, 144 / 46]])
    maps = np.full((2, 144, 144), 1e9, np.float32)
    maps[0, :, :72] = -6.0
    n = np.array([0.0, 0.0, 1.0])
    turns = np.linspace(0, 6, 24)
    seen = [
        np.mean([shadowed(np.array([x, 0, 0]), n, axes, maps, True, 1.0, size, t) for t in turns])
        for x in np.linspace(-5, 5, 41)
    ]
    assert seen[0] < 0.05
    assert seen[-1] > 0.95
    half = np.sum((np.array(seen) > 0.1) & (np.array(seen) < 0.9)) * 0.25
    assert half > 1.5 if size > 0.1 else half < 1.1
    assert SIZE > SPEC
