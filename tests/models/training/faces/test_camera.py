"""The camera: noise of photons, correlated; fringes; and nothing where nothing is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.training.faces.camera import develop
from models.training.faces.scene import sample_scene

PLAIN = sample_scene(1, plain=True).camera
RAMP = np.repeat(np.linspace(20, 230, 256, dtype=np.float32)[None], 256, 0)[..., None].repeat(3, 2)


def test_a_plain_camera_only_rounds() -> None:
    assert np.array_equal(develop(RAMP, PLAIN, 1), (RAMP + 0.5).astype(np.uint8))


def test_noise_has_the_stated_size_at_middle_grey_and_is_correlated() -> None:
    grey = np.full((256, 256, 3), 127.5, np.float32)
    camera = replace(PLAIN, noise=6.0, shot=0.5, grain=0.6)
    noise = develop(grey, camera, 3).astype(float) - 127.5
    assert 4.5 < noise[..., 1].std() < 8.0
    green, red = noise[..., 1], noise[..., 2]
    assert np.corrcoef(red[:, :-1].ravel(), red[:, 1:].ravel())[0, 1] > 0.4
    assert abs(np.corrcoef(green.ravel(), red.ravel())[0, 1]) < 0.1


def test_photons_make_more_noise_in_bright_linear_light() -> None:
    camera = replace(PLAIN, noise=4.0, shot=1.0)
    flat = replace(camera, shot=0.0)
    ratios = []
    for c in (camera, flat):
        noise = develop(RAMP, c, 5).astype(float) - RAMP
        ratios.append(noise[:, 200:].std() / noise[:, :60].std())
    assert ratios[0] > ratios[1]


def test_the_same_seed_gives_the_same_noise_whatever_is_shown() -> None:
    camera = replace(PLAIN, noise=6.0)
    other = RAMP.copy()
    other[:128] = 100
    assert np.array_equal(develop(RAMP, camera, 9)[200:], develop(other, camera, 9)[200:])


@pytest.mark.parametrize(
    ("change", "where"),
    [({"vignette": 0.4}, "corner"), ({"fringe": 0.004}, "edge"), ({"warmth": 0.3}, "all")],
)
def test_each_flaw_shows(change: dict[str, float], where: str) -> None:
    squares = np.full((96, 96, 3), 40, np.float32)
    squares[:, 80:] = 200
    made = develop(squares, replace(PLAIN, **change), 1).astype(int)  # type: ignore[arg-type]
    if where == "corner":
        assert made[0, 0].mean() < made[48, 48].mean()
    elif where == "edge":
        assert np.any(made[48, 76:84, 0] != made[48, 76:84, 2])
    else:
        assert made[..., 2].mean() > made[..., 0].mean()
