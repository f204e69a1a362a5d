"""Places: all kinds are painted, out of focus, alike for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.faces.places import PLACES, place


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_a_kind_is_painted(kind: str) -> None:
    picture = PLACES[kind](60, 90, np.random.default_rng(3))
    assert picture.shape == (60, 90, 3)
    assert np.isfinite(picture).all()
    assert picture.std() > 0.01


def test_a_seed_is_a_place() -> None:
    first, second = place(48, 64, 5), place(48, 64, 5)
    assert first.shape == (48, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, place(48, 64, 6))


def test_nothing_behind_is_sharp() -> None:
    for seed in range(12):
        large = place(320, 320, seed).astype(int)
        steps = np.abs(np.diff(large, axis=1))
        assert np.percentile(steps, 99.9) < 60
