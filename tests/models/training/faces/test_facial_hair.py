"""Brows, lashes and beards stand on the face."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.facial_hair import facial_hair
from models.training.faces.features import expression_vector
from models.training.faces.identity import FacePart, sample_identity
from models.training.faces.person import _head_mesh
from models.training.faces.scene import sample_scene
from models.training.faces.strands import Strands

PERSON = sample_identity(6)
EXPRESSION = expression_vector(sample_scene(1).expression) * 0.0


def _grown(face: FacePart) -> tuple[list[Strands], np.ndarray]:
    _, _, surface, normals = _head_mesh(replace(PERSON, face=face), EXPRESSION)
    return facial_hair(face, EXPRESSION, surface, normals, 800), surface


def test_brows_and_lashes_grow_off_the_surface() -> None:
    hairs, surface = _grown(replace(PERSON.face, beard=0.0, moustache=0.0))
    assert len(hairs) == 2
    for some in hairs:
        assert some.of_face
        root = some.points[0, 0]
        near = np.linalg.norm(surface.reshape(-1, 3) - root, axis=1).min()
        assert near < 0.4
    brows, lashes = hairs
    assert brows.points[:, 0, 1].min() > lashes.points[:, 0, 1].mean()
    assert lashes.points[:, -1, 2].mean() > lashes.points[:, 0, 2].mean() + 0.1


def test_a_beard_hangs_below_the_nose() -> None:
    hairs, _ = _grown(replace(PERSON.face, beard=1.0, moustache=1.0))
    assert len(hairs) == 3
    beard = hairs[2].points
    assert beard[:, 0, 1].max() < -3.5
    assert beard[:, -1, 1].mean() < beard[:, 0, 1].mean() - 0.2
