from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.trials import Turns, expected_psnr, psnr


@given(st.floats(10, 99), st.floats(10, 99))
def test_two_files_are_never_nearer_than_the_worse_one(first: float, second: float) -> None:
    found = expected_psnr(first, second)
    assert found < min(first, second)
    assert found == pytest.approx(expected_psnr(second, first))


def test_psnr() -> None:
    picture = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(picture, picture) == 99
    assert psnr(picture, picture + np.uint8(1)) == pytest.approx(48.13, abs=0.01)
    assert psnr(picture, np.zeros_like(picture)) == pytest.approx(8.13, abs=0.01)


def test_a_quick_way_runs_once_for_itself_before_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a slow one does so until that shows."""
    done: list[str] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        done.append("rest")

    def run(name: str, seconds: float) -> None:
        nonlocal now
        done.append(name)
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    turns = Turns({"quick": lambda: run("quick", 0.001), "slow": lambda: run("slow", 1.0)})
    for _ in range(2):
        for name in ("quick", "slow"):
            turns.before(name)
    assert done == ["rest", "quick", "rest", "slow", "rest", "quick", "rest"]
