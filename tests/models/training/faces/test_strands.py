"""Growing hair is repeatable."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.hair import hair_strands
from models.training.faces.identity import sample_identity
from models.training.faces.strands import grown

HEAD = replace(sample_identity(2).head, hair="curly")


def test_the_same_head_grows_the_same_hair() -> None:
    first = hair_strands(HEAD, 200)
    grown.cache_clear()
    second = hair_strands(HEAD, 200)
    assert first is not None
    assert second is not None
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.colours, second.colours)


def test_another_seed_grows_other_hair() -> None:
    first, second = hair_strands(HEAD, 200), hair_strands(replace(HEAD, hair_seed=9), 200)
    assert first is not None
    assert second is not None
    assert not np.array_equal(first.points[:50], second.points[:50])
    assert np.isfinite(second.points).all()
