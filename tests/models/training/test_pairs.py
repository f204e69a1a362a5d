"""What is rendered to train and to judge: groups, held-out seeds, balance."""

import numpy as np
import pytest

pytest.importorskip("numba")

from models.training.pairs import HELD_OUT, PLANS, photos_plan, swaps_plan, train_plan


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


def test_swaps_put_another_face_on_the_same_head() -> None:
    plan = swaps_plan(10)
    faces = plan.faces.reshape(-1, 2)
    heads = plan.heads.reshape(-1, 2)
    assert (faces[:, 0] == heads[:, 0]).all()
    assert (faces[:, 0] != faces[:, 1]).all()
    assert len(np.unique(faces)) == 10
