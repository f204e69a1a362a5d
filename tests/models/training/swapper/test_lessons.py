"""Lessons begin easy, and end with what a device will see."""

from __future__ import annotations

import pytest

from models.training.swapper.lessons import ease


def test_lessons_get_harder_and_end() -> None:
    course = [ease(step, 900) for step in range(1200)]
    assert course[:300] == [1.0] * 300
    assert course[600] == pytest.approx(0.5)
    assert course[900:] == [0.0] * 300
    assert course == sorted(course, reverse=True)


@pytest.mark.parametrize("step", [0, 1])
def test_no_lessons_are_hard_at_once(step: int) -> None:
    assert ease(step, 0) == 0.0
