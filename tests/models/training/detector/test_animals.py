from __future__ import annotations

import numpy as np
import pytest

from models.training.detector.animals import animal, fur


@pytest.mark.parametrize("side", [64, 192])
@pytest.mark.parametrize("seed", range(4))
def test_a_head_stands_about_the_middle_and_the_corner_above_is_free(side: int, seed: int) -> None:
    drawn = animal(side, np.random.default_rng(seed))
    assert drawn.shape == (side, side, 4)
    assert drawn.dtype == np.uint8
    alpha = drawn[..., 3]
    third = side // 3
    assert (alpha[third : 2 * third, third : 2 * third] > 200).mean() > 0.6
    assert (alpha == 0).mean() > 0.2


def test_the_same_seed_draws_the_same_and_another_one_another() -> None:
    first, again, other = (animal(96, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("seed", range(8))
def test_there_are_dark_eyes_and_a_nose_on_fur(seed: int) -> None:
    """A face to a lazy eye: darker places than its own fur, on both sides of the middle."""
    drawn = animal(192, np.random.default_rng((1, seed)))
    grey = drawn[..., :3].astype(np.float32).mean(axis=2)
    head = grey[58:120, 58:134]
    low = np.percentile(head, 3)
    halves = head[:, :38], head[:, 38:]
    assert all((half <= low + 12).any() for half in halves)
    assert np.median(head) - low > 4


def test_fur_has_the_colours_of_fur() -> None:
    rng = np.random.default_rng(0)
    colours = np.array([fur(rng) for _ in range(300)])
    assert (colours[:, 0] <= colours[:, 1] + 1e-9).all()
    assert (colours[:, 1] <= colours[:, 2]).all()
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert colours[:, 2].min() < 60
    assert colours[:, 2].max() > 200
