"""Eyes and mouths: the iris follows the gaze, the glint the lamp, teeth show in a smile."""

import pytest

pytest.importorskip("numba")

import numpy as np

from models.training.faces.features import SMILE
from models.training.faces.identity import FACE_INDEX, sample_identity
from models.training.faces.light import KEY, KEY_RGB, SIZE, light_vector
from models.training.faces.openings import eye, glint, mouth
from models.training.faces.scene import sample_scene

FACE = sample_identity(3).face.vector()
LIGHT = light_vector(sample_scene(1).light)


def _seen(x: float, gaze: float = 0.0) -> np.ndarray:
    """Albedo of an eyeball at the origin, x cm beside its middle."""
    turn = np.radians(gaze)
    axes = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    albedo, n = np.empty(3), np.empty(3)
    point, centre = np.array([x, 0.0, 1.3]), np.zeros(3)
    eye(point, centre, axes, 90.0, FACE, np.zeros(8), x, 0.0, 1, LIGHT, albedo, n)
    return albedo


def test_a_pupil_in_an_iris_in_white() -> None:
    iris = FACE[FACE_INDEX["iris_r"]]
    assert _seen(0.0).max() < 0.03
    assert _seen(0.0)[0] < _seen(0.42)[0] < 0.3 + 2 * iris
    assert _seen(0.85).min() > 0.2


def test_the_iris_follows_the_gaze() -> None:
    assert _seen(0.45, gaze=22).max() < 0.05


def test_the_glint_stands_toward_the_lamp_in_its_colour() -> None:
    light = LIGHT * 0
    light[KEY : KEY + 3] = np.array([0.6, 0.0, 0.8])
    light[KEY_RGB : KEY_RGB + 3], light[SIZE] = (1.0, 0.5, 0.2), 0.2
    bright = []
    for x in np.linspace(-0.6, 0.6, 61):
        n = np.array([x, 0.0, np.sqrt(1 - x * x)])
        out = np.zeros(3)
        glint(n, np.array([0.0, 0.0, 1.0]), np.eye(3), light, 1.0, 0.0, out)
        bright.append(out[0])
        assert out[0] >= out[1] >= out[2]
    assert np.argmax(bright) > 30
    assert max(bright) > 0.5


@pytest.mark.parametrize("smile", [0.0, 0.9])
def test_teeth_below_the_upper_lip_and_dark_behind(smile: float) -> None:
    e = np.zeros(8)
    e[SMILE] = smile
    tooth, deep = np.empty(3), np.empty(3)
    mouth(0.4, 0.20, 0.9, FACE, e, tooth)
    mouth(0.4, 0.80, 2.0, FACE, e, deep)
    assert tooth.min() > 0.25
    assert deep[0] > 2 * deep[2]
    assert tooth[2] < tooth[0]
