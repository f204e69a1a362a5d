from __future__ import annotations

import pytest

from edge.media.limits import DEFAULT_LIMITS, VIDEO_LIMITS, Limits


@pytest.mark.parametrize("size", [(16, 16), (8000, 8000), (16_383, 3900)])
def test_sizes_within(size: tuple[int, int]) -> None:
    assert DEFAULT_LIMITS.complaint(*size) is None


@pytest.mark.parametrize("size", [(1, 1), (15, 100), (100, 15)])
def test_too_small(size: tuple[int, int]) -> None:
    assert "too small" in (DEFAULT_LIMITS.complaint(*size) or "")


@pytest.mark.parametrize("size", [(20_000, 20_000), (16_384, 100), (8001, 8000), (2**31, 2**31)])
def test_too_large_states_the_limit(size: tuple[int, int]) -> None:
    assert "64 megapixels" in (DEFAULT_LIMITS.complaint(*size) or "")


def test_limits_can_be_set() -> None:
    assert Limits(max_pixels=100).complaint(20, 20) is not None
    assert VIDEO_LIMITS.complaint(7680, 4320) is None
    assert VIDEO_LIMITS.complaint(8193, 100) is not None
