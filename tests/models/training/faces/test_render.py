"""The renderer of faces of nobody: repeatable, well labelled, and exact under a swap."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

pytest.importorskip("numba")

from models.training.faces.background import BACKGROUNDS, background
from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import Rendered, render, render_onto
from models.training.faces.scene import Camera, Occluder, Pose, Scene, sample_scene


def _plain(seed: int, yaw: float = 0.0, pitch: float = 0.0) -> Scene:
    scene = sample_scene(seed, occluder_chance=0.0, plain=True)
    return dataclasses.replace(scene, pose=Pose(yaw, pitch, 0.0))


def test_same_seed_same_bytes() -> None:
    first = render(sample_identity(5), sample_scene(5))
    second = render(sample_identity(5), sample_scene(5))
    for field in dataclasses.fields(Rendered):
        assert getattr(first, field.name).tobytes() == getattr(second, field.name).tobytes()


def test_seeds_differ() -> None:
    scene = _plain(1)
    a, b = render(sample_identity(1), scene), render(sample_identity(2), scene)
    assert (a.picture != b.picture).mean() > 0.1


def test_shapes_and_types() -> None:
    drawn = render(sample_identity(3), sample_scene(3), 96)
    assert drawn.picture.shape == (96, 96, 3)
    assert drawn.picture.dtype == np.uint8
    assert drawn.landmarks.shape == (5, 2)
    assert drawn.dense.shape[0] >= 60
    assert drawn.mask.shape == drawn.alpha.shape == (96, 96)
    assert drawn.landmarks.dtype == drawn.box.dtype == drawn.dense.dtype == np.float32


@pytest.mark.parametrize("seed", range(8))
def test_landmarks_are_ordered_and_inside_the_box(seed: int) -> None:
    drawn = render(sample_identity(seed), _plain(seed, yaw=4.0 * seed - 14))
    left, right, nose, mouth_left, mouth_right = drawn.landmarks
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    x, y, width, height = drawn.box
    assert np.all(drawn.landmarks >= [x, y])
    assert np.all(drawn.landmarks <= [x + width, y + height])
    assert 0.4 * 160 < height < 0.72 * 160


@pytest.mark.parametrize("seed", range(6))
def test_mask_lies_on_the_person(seed: int) -> None:
    drawn = render(sample_identity(seed), _plain(seed))
    assert np.all(drawn.mask <= drawn.alpha)
    assert 0.05 < (drawn.mask > 127).mean() < 0.4
    for x, y in drawn.landmarks[2:]:
        assert drawn.mask[int(y), int(x)] > 127
    assert drawn.alpha[-1].max() == 255


def test_yaw_turns_the_nose_to_the_right_and_pitch_lifts_it() -> None:
    identity = sample_identity(4)
    ahead, aside = render(identity, _plain(4)), render(identity, _plain(4, yaw=30))
    raised = render(identity, _plain(4, pitch=20))

    def nose(drawn: Rendered) -> np.ndarray:
        return drawn.landmarks[2] - drawn.landmarks[:2].mean(axis=0)

    assert nose(aside)[0] > nose(ahead)[0] + 4
    assert nose(raised)[1] < nose(ahead)[1] - 2


@pytest.mark.parametrize("seed", range(10))
def test_swap_changes_nothing_outside_the_face(seed: int) -> None:
    target, source = sample_identity(seed), sample_identity(seed + 500)
    scene = dataclasses.replace(sample_scene(seed, plain=True), seed=seed)
    before, after = render(target, scene), render(swapped(target, source), scene)
    union = np.maximum(before.mask, after.mask)
    union[before.alpha != after.alpha] = 0
    near = cv2.dilate(np.maximum(before.mask, after.mask), np.ones((5, 5), np.uint8)) > 0
    changed = np.abs(before.picture.astype(int) - after.picture).max(axis=2)
    assert changed[~near].max() <= 1
    assert (changed[union > 127] > 3).mean() > 0.3


def test_swap_keeps_head_and_takes_face() -> None:
    target, source = sample_identity(1), sample_identity(2)
    both = swapped(target, source)
    assert both.head == target.head
    assert both.face == source.face


def test_noise_depends_on_the_scene_alone() -> None:
    scene = _plain(9)
    noisy = dataclasses.replace(scene, camera=dataclasses.replace(scene.camera, noise=6.0))
    assert isinstance(noisy.camera, Camera)
    target = sample_identity(9)
    before, after = render(target, noisy), render(swapped(target, sample_identity(8)), noisy)
    far = before.alpha == 0
    assert np.array_equal(before.picture[far], after.picture[far])


@pytest.mark.parametrize("kind", ["hand", "strands", "mask", "cup", "phone", "bar"])
def test_occluders_leave_the_mask(kind: str) -> None:
    scene = _plain(6)
    hidden = dataclasses.replace(scene, occluders=(Occluder(kind, 3),))
    free, covered = render(sample_identity(6), scene), render(sample_identity(6), hidden)
    assert (free.picture != covered.picture).any()
    assert covered.mask.sum() <= free.mask.sum()


def test_render_onto_touches_only_the_person() -> None:
    frame = background(240, 320, 3)
    drawn = render_onto(frame, sample_identity(2), _plain(2), (110.0, 90.0), 70.0)
    assert drawn.picture.shape == frame.shape
    away = drawn.alpha == 0
    assert np.array_equal(drawn.picture[away], frame[away])
    assert np.allclose(drawn.box[:2] + drawn.box[2:] / 2, (110, 90), atol=16)


@pytest.mark.parametrize("centre", [(-500.0, 50.0), (0.0, 0.0), (63.0, 200.0)])
def test_render_onto_at_the_border(centre: tuple[float, float]) -> None:
    frame = background(64, 64, 1)
    drawn = render_onto(frame, sample_identity(1), _plain(1), centre, 20.0)
    assert drawn.picture.shape == frame.shape


@pytest.mark.parametrize("kind", sorted(BACKGROUNDS))
def test_backgrounds(kind: str) -> None:
    picture = background(48, 80, 7, kind)
    assert picture.shape == (48, 80, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, background(48, 80, 7, kind))
