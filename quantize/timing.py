"""Latency: several runs side by side, in one process, in turn and in a new order each round.

A machine that warms up, or that somebody else uses, then slows all of them and not the last one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantize.errors import MeasureError

WARM_UP = 2
"""Rounds that are run first and not counted: caches, thread pools, the clock's governor."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall time of one run.

    Attributes:
        rounds: how many were counted.
        p50: median, milliseconds.
        p90: 90th percentile, milliseconds.
        min: the quickest round, milliseconds.
        ratio: how many times as quick as the first by their medians: p50(first) / p50(this).
        ratio_min: the same by their quickest rounds, which a busy machine disturbs less.
    """

    rounds: int
    p50: float
    p90: float
    min: float
    ratio: float
    ratio_min: float

    @property
    def quicker(self) -> bool:
        """Whether it is no slower than the first, by the medians and by the quickest rounds.

        Either alone errs where other processes take the processor away now and then.
        """
        return self.ratio >= 1 and self.ratio_min >= 1


def interleaved(
    runs: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 20,
    warmup: int = WARM_UP,
    seed: int = 0,
    clock: Callable[[], int] = time.perf_counter_ns,
    after_round: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Run all in turn, round by round, and return their times.

    Args:
        runs: what to run, by name; the first is what the others are measured by.
        rounds: rounds that count.
        warmup: rounds before them that do not.
        seed: of the order, which is shuffled in every round: who runs after whom matters.
        clock: gives nanoseconds.
        after_round: called after every round, for a progress bar.

    Returns:
        Per run its times, in the order of `runs`.

    Raises:
        MeasureError: there is nothing to run, or no round.
    """
    if not runs:
        raise MeasureError("there is nothing to time: give at least one run")
    if rounds < 1 or warmup < 0:
        raise MeasureError(f"rounds must be 1 or more, not {rounds} (after {warmup} to warm up)")
    shuffle = random.Random(seed).shuffle
    spent: dict[str, list[int]] = {name: [] for name in runs}
    order = list(runs)
    for number in range(warmup + rounds):
        shuffle(order)
        for name in order:
            run = runs[name]
            start = clock()
            run()
            elapsed = clock() - start
            if number >= warmup:
                spent[name].append(elapsed)
        after_round()
    first = np.asarray(next(iter(spent.values())), np.float64)
    return {name: _timing(np.asarray(taken, np.float64), first) for name, taken in spent.items()}


def _timing(taken: NDArray[np.float64], first: NDArray[np.float64]) -> Timing:
    p50, p90 = (float(value) / 1e6 for value in np.percentile(taken, (50, 90)))
    tick = 1.0  # nanosecond: a run that no clock can see is not infinitely quick
    return Timing(
        rounds=len(taken),
        p50=p50,
        p90=p90,
        min=float(taken.min()) / 1e6,
        ratio=float(max(np.median(first), tick) / max(np.median(taken), tick)),
        ratio_min=float(max(first.min(), tick) / max(taken.min(), tick)),
    )
