"""Scenes: lights of all kinds, exposed alike, and plain ones without a camera's marks."""

from __future__ import annotations

import numpy as np

from models.training.faces.scene import _LIGHTS, sample_scene

SCENES = [sample_scene(seed) for seed in range(600)]


def test_every_kind_of_light_comes_about_as_often_as_stated() -> None:
    for kind, row in _LIGHTS.items():
        share = np.mean([scene.light.kind == kind for scene in SCENES])
        assert abs(share - row[0] / sum(r[0] for r in _LIGHTS.values())) < 0.05


def test_lights_point_somewhere_and_the_sun_is_small() -> None:
    for scene in SCENES:
        assert np.isclose(np.linalg.norm(scene.light.key), 1)
        assert scene.light.kind != "sun" or scene.light.size < 0.05


def test_who_smiles_mostly_shows_teeth() -> None:
    smiling = [s.expression for s in SCENES if s.expression.smile > 0.5]
    assert np.mean([e.mouth_open > 0.1 for e in smiling]) > 0.6


def test_a_plain_scene_has_no_marks_of_a_camera() -> None:
    camera = sample_scene(3, plain=True).camera
    marks = (camera.blur, camera.motion, camera.noise, camera.fringe, camera.vignette, camera.jpeg)
    assert not any(marks)
    assert camera.contrast == camera.saturation == 1.0


def test_most_people_stand_in_a_place() -> None:
    share = np.mean([scene.background.kind == "place" for scene in SCENES])
    assert 0.8 < share < 0.95
