"""Strands as lines: before what is behind them, hidden by what is before, and masked as told."""

import pytest

pytest.importorskip("numba")

import numpy as np

from models.training.faces.light import light_vector
from models.training.faces.scene import sample_scene
from models.training.faces.threads import draw_threads

AXES = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-23.0, 23.0, 144 / 46]])
MAPS = np.full((2, 144, 144), 1e9, np.float32)
LIGHT = light_vector(sample_scene(1).light)


@pytest.mark.parametrize("of_face", [True, False])
@pytest.mark.parametrize("behind", [True, False])
def test_a_line_across(of_face: bool, behind: bool) -> None:
    points = np.zeros((1, 5, 3), np.float32)
    points[0, :, 0] = np.linspace(-4, 4, 5)
    normals = np.zeros_like(points)
    normals[..., 2] = 1.0
    screen = points.copy()
    screen[..., 0], screen[..., 1], screen[..., 2] = 20 + points[..., 0] * 4, 10.0, 100.0
    depth = np.full((20, 40), 50.0 if behind else 1e9, np.float32)
    colour, cover = np.zeros((20, 40, 3), np.float32), np.zeros((20, 40, 2), np.float32)
    draw_threads(
        screen, points, normals, np.full((1, 3), 0.2, np.float32), np.array([5], np.int32), 1.0,
        of_face, LIGHT, AXES, MAPS, 100.0, 1.0, depth, colour, cover,
    )  # fmt: skip
    drawn = cover[..., 0] > 0
    if behind:
        assert not drawn.any()
        return
    assert drawn[10, 8:32].all()
    assert drawn.sum() < 40
    assert colour[10, 20].min() > 0
    assert (cover[10, 20, 1] > 0) == of_face
    assert np.all(cover[..., 1] <= cover[..., 0])
