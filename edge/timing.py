"""Wall time of things that are run in turns.

Stages are measured in interleaved rounds, so that a machine that warms up or is disturbed slows
all of them and not the last one. The first rounds are thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import UsageError

__all__ = ["MOST_ROUNDS", "WARM_UP", "Stage", "Timing", "check_rounds", "measure", "timing_of"]

WARM_UP = 3
"""Rounds that are run first and not counted: caches, thread pools, the clock's governor."""

MOST_ROUNDS = 100_000
"""Each keeps its times until the end."""

Stage = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall time of one stage.

    Attributes:
        stage: Its name.
        rounds: How many rounds were counted.
        p50: Median, milliseconds.
        p90: 90th percentile, milliseconds.
        p99: 99th percentile, milliseconds; the slowest round where there are under 100.
        quickest: The quickest round, milliseconds: what a busy machine disturbs least.
    """

    stage: str
    rounds: int
    p50: float
    p90: float
    p99: float
    quickest: float


def check_rounds(rounds: int) -> None:
    """Refuse a number of rounds that makes no sense.

    Raises:
        UsageError: There are none, or so many that their times alone would fill the memory.
    """
    if rounds < 1:
        raise UsageError(f"rounds must be 1 or more, not {rounds}")
    if rounds > MOST_ROUNDS:
        raise UsageError(f"rounds must be {MOST_ROUNDS} or fewer, not {rounds}")


def measure(
    stages: Mapping[str, Stage],
    rounds: int,
    *,
    warm_up: int = WARM_UP,
    clock: Callable[[], int] = time.perf_counter_ns,
    after_round: Callable[[], object] = lambda: None,
    before: Callable[[str], object] = lambda name: None,
) -> tuple[Timing, ...]:
    """Run all stages in turn, round by round, and return their times.

    Args:
        stages: What to run, by name.
        rounds: Rounds that count.
        warm_up: Rounds before them that do not.
        clock: Gives nanoseconds.
        after_round: Called after every round, for a progress bar.
        before: Called with a stage's name before each of its runs; its time is not counted.
    """
    spent: dict[str, list[int]] = {name: [] for name in stages}
    for number in range(warm_up + rounds):
        for name, stage in stages.items():
            before(name)
            start = clock()
            stage()
            elapsed = clock() - start
            if number >= warm_up:
                spent[name].append(elapsed)
        after_round()
    return tuple(timing_of(name, values) for name, values in spent.items())


def timing_of(name: str, nanoseconds: Sequence[int]) -> Timing:
    """Return what a stage's times come to.

    Args:
        name: Of the stage.
        nanoseconds: Of each round, at least one.
    """
    p50, p90, p99 = (
        float(value) / 1e6 for value in np.percentile(nanoseconds, (50, 90, 99), method="higher")
    )
    return Timing(name, len(nanoseconds), p50, p90, p99, min(nanoseconds) / 1e6)
