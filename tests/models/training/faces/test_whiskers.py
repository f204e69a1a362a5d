"""Where whiskers grow."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

from models.training.faces.identity import sample_identity
from models.training.faces.whiskers import beard, brow, whiskers

FACE = replace(sample_identity(5).face, beard=0.0, moustache=0.0, stubble=0.0, brow_density=1.0)


def test_a_beard_covers_the_chin_and_spares_nose_and_lips() -> None:
    face = replace(FACE, beard=1.0, moustache=1.0).vector()
    assert beard(1.0, -9.3, face) > 0.5
    assert beard(1.0, -5.4, face) > 0.3
    assert beard(0.0, -3.6, face) == 0.0
    assert beard(0.5, -6.6, face) < 0.2


def test_without_growth_there_is_none() -> None:
    assert whiskers(1.0, -9.3, FACE.vector()) == (0.0, 0.0)
    assert whiskers(1.0, -9.3, replace(FACE, stubble=1.0).vector())[1] > 0.05


def test_brows_are_above_the_eyes() -> None:
    face = FACE.vector()
    assert max(brow(3.0, y / 20, face) for y in range(24, 52)) > 0.25
    assert brow(3.0, 0.6, face) == 0.0
