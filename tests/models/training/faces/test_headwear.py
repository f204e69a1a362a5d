"""Headwear covers the crown and leaves the face free."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.headwear import headwear
from models.training.faces.identity import sample_identity
from models.training.faces.mesh import WRAP
from models.training.faces.wardrobe import COVERINGS

HEAD = replace(sample_identity(1).head, hairline=0.0)


@pytest.mark.parametrize("kind", COVERINGS)
def test_it_covers_the_crown_and_not_the_eyes(kind: str) -> None:
    meshes = headwear(replace(HEAD, hair=kind))
    assert len(meshes) == (2 if kind == "cap" else 1)
    shown = meshes[0].points[meshes[0].uv[:, 2] > 0.1]
    assert shown[:, 1].max() > 11
    before_eyes = (np.abs(shown[:, 0]) < 4) & (np.abs(shown[:, 1]) < 1.5) & (shown[:, 2] > 5)
    assert not before_eyes.any()
    assert np.all(meshes[0].kinds == WRAP)


def test_a_visor_stands_out() -> None:
    crown, visor = headwear(replace(HEAD, hair="cap"))
    assert visor.points[:, 2].max() > crown.points[:, 2].max() + 4


def test_hair_is_no_headwear() -> None:
    assert headwear(replace(HEAD, hair="short")) == ()
