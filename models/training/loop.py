"""The loop that trainers share: steps, reports with checkpoints, and a stop between two steps."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from models.training.runs import Clock
from models.training.stopping import Stop

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())


class Learner(Protocol):
    """The state of one training run.

    Attributes:
        step: how many steps have been taken.
        clock: how much of the run is done.
    """

    step: int
    clock: Clock

    def advance(self) -> dict[str, float]:
        """Take a step; its losses by name, or nothing where reading them was not worth a wait."""
        ...

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        ...

    def report(self, losses: dict[str, float], console: Console) -> None:
        """Judge the averaged weights and write a line of the log.

        Args:
            losses: mean of each loss since the last report.
            console: where people read.
        """
        ...

    def refresh(self) -> None:
        """Take in what has been rendered since."""
        ...


def run(learner: Learner, every: int) -> None:
    """Train until the time or the steps are used up, or somebody stops it.

    The checkpoint is there at each report and at the end. A run that is stopped makes no report:
    who stops it wants to go on.

    Args:
        learner: what trains.
        every: steps between two reports.
    """
    losses: dict[str, list[float]] = defaultdict(list)
    last = ""
    with Stop() as stop, Progress(*_COLUMNS) as progress:
        bar = progress.add_task("", total=1.0)
        while learner.clock.progress(learner.step) < 1.0 and not stop.asked:
            found = learner.advance()
            for name, value in found.items():
                losses[name].append(value)
            if found:
                name, value = next(iter(found.items()))
                last = f"  {name} {value:.3f}"
            done = learner.clock.progress(learner.step)
            progress.update(bar, completed=done, description=f"step {learner.step}{last}")
            if learner.step % every == 0:
                learner.save()
                learner.report(_means(losses), progress.console)
                learner.refresh()
                losses.clear()
    learner.save()
    if stop.asked:
        Console().print(f"stopped at step {learner.step}; the same command goes on")
    elif losses:
        learner.report(_means(losses), Console())


def _means(losses: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in losses.items()}
