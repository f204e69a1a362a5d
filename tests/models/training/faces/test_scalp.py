"""The flat map of the scalp."""

import pytest

pytest.importorskip("numba")

import numpy as np

from models.training.faces.scalp import CENTRE, read, scalp_map


def test_values_are_found_again_where_they_were_laid() -> None:
    turn, down = np.meshgrid(np.linspace(-np.pi, np.pi, 61), np.linspace(0, 2.0, 31))
    out = np.stack([np.sin(down) * np.sin(turn), np.cos(down), np.sin(down) * np.cos(turn)], -1)
    points = np.array(CENTRE) + out * (9.0 + down[..., None])
    table = scalp_map(points, np.stack([down, turn * 0 + 3.0], -1), np.array([-9.0, -9.0]))
    for x, y in ((0.0, 0.5), (1.0, 0.0), (-0.7, -0.9)):
        assert read(table, x, y, 0) == pytest.approx(np.hypot(x, y), abs=0.05)
        assert read(table, x, y, 1) == pytest.approx(3.0)
        assert read(table, x, y, 2) == pytest.approx(9.0 + np.hypot(x, y), abs=0.05)
    assert read(table, 2.6, 2.6, 1) == -9.0
