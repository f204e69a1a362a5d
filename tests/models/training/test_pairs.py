"""What is rendered to train and to judge: groups, held-out seeds, balance."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from models.training.pairs import (
    HELD_OUT,
    PLANS,
    Store,
    _missing,
    a_frame_later,
    close_up,
    motion_plan,
    people_plan,
    photos_plan,
    picture_side,
    strangers_plan,
    swaps_plan,
    train_plan,
)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_groups_share_head_and_scene(name: str) -> None:
    plan = PLANS[name]()
    heads = plan.heads.reshape(-1, plan.group)
    scenes = plan.scenes.reshape(-1, plan.group)
    assert (heads == heads[:, :1]).all()
    assert (scenes == scenes[:, :1]).all()


def test_training_and_held_out_never_meet() -> None:
    train = train_plan()
    assert max(train.faces.max(), train.heads.max(), train.scenes.max()) < HELD_OUT
    for plan in (photos_plan(), swaps_plan()):
        assert min(plan.faces.min(), plan.heads.min(), plan.scenes.min()) >= HELD_OUT


def test_each_pass_shows_each_identity_once() -> None:
    plan = train_plan(identities=40, passes=3)
    for part in plan.faces.reshape(3, 40):
        assert sorted(part.tolist()) == list(range(40))


def test_the_recogniser_gets_people_of_its_own() -> None:
    plan, train, motion = people_plan(), train_plan(), motion_plan()
    assert plan.faces.min() == train.faces.max() + 1  # a number is a class: without a gap
    assert plan.scenes.min() > max(train.scenes.max(), motion.scenes.max())
    assert plan.scenes.max() < HELD_OUT
    few = people_plan(identities=40, passes=3)
    for part in few.faces.reshape(3, 40):
        assert sorted(part.tolist()) == list(range(5000, 5040))


def test_strangers_are_in_no_other_plan() -> None:
    plan = strangers_plan()
    for name in sorted(set(PLANS) - {"strangers"}):
        other = PLANS[name]()
        assert not np.intersect1d(plan.faces, other.faces).size
        assert not np.intersect1d(plan.heads, other.heads).size
        assert not np.intersect1d(plan.scenes, other.scenes).size
    views = np.bincount(plan.faces - plan.faces.min())
    assert set(views.tolist()) == {6}


def test_motion_shows_two_people_twice_in_scenes_of_their_own() -> None:
    plan, train = motion_plan(30, 20), train_plan()
    faces = plan.faces.reshape(-1, 4)
    assert (faces[:, :2] == faces[:, 2:]).all()
    assert (faces[:, 0] != faces[:, 1]).all()
    assert plan.later is not None
    assert plan.later.reshape(-1, 4).tolist() == [[0, 0, 1, 1]] * 30
    assert train.scenes.max() < plan.scenes.min()
    assert plan.scenes.max() < HELD_OUT


def test_a_frame_later_the_scene_is_nearly_the_same() -> None:
    turns = []
    for seed in range(40):
        scene = close_up(seed)
        later = a_frame_later(scene)
        assert later == a_frame_later(scene)
        assert (later.light, later.camera, later.background) == (
            scene.light, scene.camera, scene.background,
        )  # fmt: skip
        turns.append(abs(later.pose.yaw - scene.pose.yaw))
    assert 0.3 < np.mean(turns) < 3.0


@pytest.mark.parametrize("crop", [128, 256])
def test_a_store_has_room_for_its_crops(
    crop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_TRAIN_DATA", str(tmp_path))
    monkeypatch.setitem(PLANS, "swaps", lambda: swaps_plan(3))
    with pytest.raises(FileNotFoundError, match="scripts/train pairs"):
        Store("swaps", crop=crop)
    store = Store("swaps", writable=True, crop=crop)
    side = picture_side(crop)
    assert store.pictures.shape == (6, side, side, 3)
    assert store.masks.shape == (6, side, side)
    assert not len(store.ready())
    store.done[2:4] = 1
    assert Store("swaps", crop=crop).ready().tolist() == [2, 3]


def test_swaps_put_another_face_on_the_same_head() -> None:
    plan = swaps_plan(10)
    faces = plan.faces.reshape(-1, 2)
    heads = plan.heads.reshape(-1, 2)
    assert (faces[:, 0] == heads[:, 0]).all()
    assert (faces[:, 0] != faces[:, 1]).all()
    assert len(np.unique(faces)) == 10


@pytest.mark.parametrize(
    ("count", "wanted"), [(10, [1, 3, 4, 6, 7, 8, 9]), (5, [1, 3, 4]), (0, [])]
)
def test_only_what_lacks_is_rendered_and_only_the_beginning(count: int, wanted: list[int]) -> None:
    store: Any = SimpleNamespace(done=np.array([1, 0, 1, 0, 0, 1, 0, 0, 0, 0], np.uint8))
    parts = list(_missing(store, count, part=2))
    assert [index for part in parts for index in part] == wanted
    assert all(len(part) <= 2 for part in parts)
