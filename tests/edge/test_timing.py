"""Timing: rounds are interleaved, counted right, and held to a number that makes sense."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge import timing
from edge.errors import UsageError


def _clock(steps_ms: list[float]) -> Iterator[int]:
    """Yield times between which the steps lie: start, end, start, end, .."""
    now = 0
    for step in steps_ms:
        yield now
        now += int(step * 1e6)
        yield now


def test_rounds_are_interleaved_and_the_first_ones_do_not_count() -> None:
    ran: list[str] = []
    rounds: list[int] = []
    steps = _clock([900, 900, 1, 10, 3, 30, 2, 20])
    first, second = timing.measure(
        {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")},
        3,
        warm_up=1,
        clock=lambda: next(steps),
        after_round=lambda: rounds.append(len(ran)),
    )
    assert ran == ["a", "b"] * 4
    assert rounds == [2, 4, 6, 8]
    assert first == timing.Timing("a", 3, p50=2.0, p90=3.0, p99=3.0, quickest=1.0)
    assert second == timing.Timing("b", 3, p50=20.0, p90=30.0, p99=30.0, quickest=10.0)


def test_what_comes_before_a_run_is_not_counted() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    order: list[str] = []
    stages = {"one": lambda: order.append("one"), "two": lambda: order.append("two")}
    clocked: list[int] = []

    def clock() -> int:
        clocked.append(next(ticks))
        order.append("clock")
        return clocked[-1]

    timing.measure(
        stages, 1, warm_up=0, clock=clock, before=lambda name: order.append(f"for {name}")
    )
    assert order == ["for one", "clock", "one", "clock", "for two", "clock", "two", "clock"]


@pytest.mark.parametrize("rounds", [0, -1, timing.MOST_ROUNDS + 1])
def test_no_round_and_too_many(rounds: int) -> None:
    with pytest.raises(UsageError, match=r"rounds must be 1") as caught:
        timing.check_rounds(rounds)
    assert str(rounds) in str(caught.value)


@pytest.mark.parametrize("rounds", [1, timing.MOST_ROUNDS])
def test_one_round_is_enough(rounds: int) -> None:
    timing.check_rounds(rounds)


def test_a_percentile_is_a_round_that_was_run() -> None:
    found = timing.timing_of("a", [4_000_000, 1_000_000, 2_000_000])
    assert found == timing.Timing("a", 3, p50=2.0, p90=4.0, p99=4.0, quickest=1.0)
