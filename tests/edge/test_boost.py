from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.boost import check_boost, put_together, take_apart
from edge.errors import UsageError


@given(boost=st.integers(1, 5), size=st.integers(1, 9), channels=st.sampled_from([0, 3]))
def test_what_is_taken_apart_goes_together_again(boost: int, size: int, channels: int) -> None:
    shape = (size * boost, size * boost, *([channels] if channels else []))
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    parts = take_apart(picture, boost)
    assert len(parts) == boost * boost
    assert all(part.shape[:2] == (size, size) and part.flags.c_contiguous for part in parts)
    np.testing.assert_array_equal(put_together(parts, boost), picture)


def test_each_part_shows_every_nth_pixel() -> None:
    picture = np.arange(16).reshape(4, 4)
    parts = take_apart(picture, 2)
    np.testing.assert_array_equal(parts[1], [[1, 3], [9, 11]])
    np.testing.assert_array_equal(parts[2], [[4, 6], [12, 14]])


@pytest.mark.parametrize(("boost", "size"), [(0, 128), (-1, 128), (9, 64), (5, 256), (3, 512)])
def test_a_boost_without_sense_is_refused(boost: int, size: int) -> None:
    with pytest.raises(UsageError, match="--boost must be between 1 and"):
        check_boost(boost, size)


@pytest.mark.parametrize(("boost", "size"), [(1, 4096), (8, 128), (4, 256), (2, 512)])
def test_a_boost_with_sense_passes(boost: int, size: int) -> None:
    check_boost(boost, size)
