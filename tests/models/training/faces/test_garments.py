"""Clothes lie over the shoulders and leave the face free."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.garments import garments
from models.training.faces.identity import sample_identity
from models.training.faces.mesh import CLOTH
from models.training.faces.wardrobe import GARMENTS

HEAD = sample_identity(1).head


def _top(garment: str) -> float:
    mesh = garments(replace(HEAD, garment=garment, hair="short"))[0]
    front = (mesh.uv[:, 2] > 0) & (mesh.points[:, 2] > 2) & (np.abs(mesh.points[:, 0]) < 1)
    return float(mesh.points[front, 1].max())


@pytest.mark.parametrize("garment", GARMENTS)
def test_a_garment_is_cloth_below_the_chin(garment: str) -> None:
    meshes = garments(replace(HEAD, garment=garment, hair="short"))
    assert len(meshes) == {"collar": 3, "hoodie": 2}.get(garment, 1)
    for mesh in meshes:
        assert np.all(mesh.kinds == CLOTH)
        assert np.isfinite(mesh.points).all()
    assert _top(garment) < -11


def test_necklines_differ() -> None:
    assert _top("turtle") > _top("crew") > _top("vneck")
    assert _top("crew") > _top("scoop")
