"""Lines and openings: age, a smile and eyeliner darken where they should."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.creases import lines, openings
from models.training.faces.features import SMILE
from models.training.faces.identity import sample_identity

FACE = replace(sample_identity(5).face, age=0.1, folds=0.0, liner=0.0)


def _sum(face_age: float, smile: float = 0.0) -> float:
    face = replace(FACE, age=face_age).vector()
    e = np.zeros(8)
    e[SMILE] = smile
    grid = [(x, y) for x in np.linspace(0.2, 5, 25) for y in np.linspace(-8, 4.4, 40)]
    return float(sum(lines(x, y, face, e, 0.44, x - 3.15) for x, y in grid))


def test_age_and_smiling_draw_lines() -> None:
    assert _sum(0.9) > 1.2 * _sum(0.1)
    assert _sum(0.1, smile=1.0) > _sum(0.1)


def test_nostrils_and_the_seam_of_the_lips_are_dark() -> None:
    face = FACE.vector()
    assert openings(0.74, -4.47, -2.4, 0.0, 0.0, face, 0.0) > 0.7
    assert openings(0.5, -6.5, -2.6, 0.0, 0.0, face, 1.0) > 0.6
    assert openings(4.0, -3.0, 0.85, 0.0, 0.0, face, 0.0) < 0.05


def test_a_liner_darkens_the_lid() -> None:
    plain, drawn = FACE.vector(), replace(FACE, liner=1.0).vector()
    above = 0.44 + 0.06
    assert openings(3.2, above, 0.05, 0.44, -0.47, drawn, 0.0) > openings(
        3.2, above, 0.05, 0.44, -0.47, plain, 0.0
    )
