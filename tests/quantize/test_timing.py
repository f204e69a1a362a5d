"""Interleaved timing, with a clock that the test winds."""

from __future__ import annotations

import pytest

from quantize.errors import MeasureError
from quantize.timing import interleaved


class _Clock:
    """A clock that only the runs move."""

    def __init__(self) -> None:
        self.now = 0
        self.ran: list[str] = []

    def __call__(self) -> int:
        return self.now

    def run(self, name: str, *millis: float) -> None:
        turn = self.ran.count(name)
        self.now += round(millis[min(turn, len(millis) - 1)] * 1e6)
        self.ran.append(name)


def test_figures_and_ratio_to_the_first() -> None:
    clock = _Clock()
    timings = interleaved(
        {
            "float": lambda: clock.run("float", 900, 10, 20, 30, 40, 50),
            "int8": lambda: clock.run("int8", 900, 10, 10, 10, 15, 20),
        },
        rounds=5,
        warmup=1,
        clock=clock,
    )
    assert list(timings) == ["float", "int8"]
    first, second = timings["float"], timings["int8"]
    assert (first.p50, first.min, first.ratio, first.ratio_min) == (30, 10, 1, 1)
    assert first.p90 == pytest.approx(46)
    assert (second.p50, second.min, second.rounds) == (10, 10, 5)
    assert second.ratio == 3
    assert second.ratio_min == 1


def test_every_round_runs_all_once_in_changing_order() -> None:
    clock = _Clock()
    names = ["a", "b", "c"]
    rounds_seen = []
    interleaved(
        {name: lambda name=name: clock.run(name, 1) for name in names},  # type: ignore[misc]
        rounds=12,
        warmup=2,
        clock=clock,
        after_round=lambda: rounds_seen.append(len(clock.ran)),
    )
    turns = [tuple(clock.ran[i : i + 3]) for i in range(0, len(clock.ran), 3)]
    assert rounds_seen == [3 * n for n in range(1, 15)]
    assert all(sorted(turn) == names for turn in turns)
    assert len(set(turns)) > 2


def test_the_order_is_the_same_for_the_same_seed() -> None:
    def order(seed: int) -> list[str]:
        clock = _Clock()
        runs = {name: lambda name=name: clock.run(name, 1) for name in "abcd"}
        interleaved(runs, rounds=6, clock=clock, seed=seed)
        return clock.ran

    assert order(1) == order(1) != order(2)


def test_a_run_too_quick_for_the_clock_has_a_finite_ratio() -> None:
    timings = interleaved({"a": lambda: None, "b": lambda: None}, rounds=3, clock=lambda: 7)
    assert timings["b"].ratio == 1


@pytest.mark.parametrize(("runs", "rounds", "warmup"), [({}, 5, 1), ({"a": print}, 0, 1)])
def test_nothing_to_time_is_an_error(runs: dict[str, object], rounds: int, warmup: int) -> None:
    with pytest.raises(MeasureError):
        interleaved(runs, rounds=rounds, warmup=warmup)  # type: ignore[arg-type]
