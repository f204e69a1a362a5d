"""The light vector, its ambient cube, and what a picture lends to a light."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.identity import sample_identity
from models.training.faces.light import (
    CUBE,
    KEY_RGB,
    ambient,
    bounced,
    light_vector,
    surrounded,
)
from models.training.faces.scene import sample_scene

LIGHT = sample_scene(4).light


def test_the_vector_is_laid_out_as_stated() -> None:
    vector = light_vector(LIGHT)
    assert vector.shape == (35,)
    assert tuple(vector[KEY_RGB : KEY_RGB + 3]) == LIGHT.key_colour
    assert tuple(vector[CUBE + 6 : CUBE + 9]) == LIGHT.sky


def test_ambient_light_comes_from_where_one_looks() -> None:
    vector = light_vector(LIGHT)
    assert ambient(vector, 0.0, 1.0, 0.0, 0) == pytest.approx(LIGHT.sky[0])
    assert ambient(vector, -1.0, 0.0, 0.0, 2) == pytest.approx(LIGHT.left[2])
    half = 0.5**0.5
    between = ambient(vector, half, 0.0, half, 1)
    assert between == pytest.approx((LIGHT.right[1] + LIGHT.front[1]) / 2)


def test_a_red_wall_reddens_its_side() -> None:
    picture = np.full((60, 60, 3), 90, np.uint8)
    picture[:, :20] = (20, 20, 220)
    lit = surrounded(LIGHT, picture)
    assert lit.left[0] / lit.left[2] > 2 * LIGHT.left[0] / LIGHT.left[2]
    assert lit.key_colour == LIGHT.key_colour


def test_a_red_shirt_reddens_the_chin() -> None:
    head = replace(sample_identity(1).head, cloth_r=0.8, cloth_g=0.05, cloth_b=0.05)
    lit = bounced(LIGHT, head)
    assert lit.ground[0] - LIGHT.ground[0] > 4 * (lit.ground[1] - LIGHT.ground[1]) > 0
