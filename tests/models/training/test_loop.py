"""The loop of trainers: reports when it is time to, and leaves a checkpoint however it ends."""

from __future__ import annotations

import os
import signal

import pytest

pytest.importorskip("torch")

from rich.console import Console

from models.training.loop import run
from models.training.runs import Clock


class Counter:
    """A learner whose loss is the number of its step; every third step reads none."""

    def __init__(self, steps: int, stop_at: int = 0) -> None:
        self.step, self.clock, self.stop_at = 0, Clock(60.0, steps), stop_at
        self.saved: list[int] = []
        self.reported: list[tuple[int, dict[str, float]]] = []
        self.refreshed = 0

    def advance(self) -> dict[str, float]:
        self.step += 1
        if self.step == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return {} if self.step % 3 == 0 else {"loss": float(self.step)}

    def save(self) -> None:
        self.saved.append(self.step)

    def report(self, losses: dict[str, float], console: Console) -> None:
        assert self.saved[-1] == self.step  # a report takes long: nothing may be lost meanwhile
        self.reported.append((self.step, losses))

    def refresh(self) -> None:
        self.refreshed += 1


def test_reports_hold_the_means_since_the_last_one() -> None:
    learner = Counter(8)
    run(learner, every=4)
    assert learner.reported == [(4, {"loss": (1 + 2 + 4) / 3}), (8, {"loss": (5 + 7 + 8) / 3})]
    assert learner.refreshed == 2


def test_what_is_left_at_the_end_is_reported_too() -> None:
    learner = Counter(5)
    run(learner, every=4)
    assert [step for step, _ in learner.reported] == [4, 5]
    assert learner.saved[-1] == 5


def test_a_stopped_run_keeps_its_checkpoint_and_reports_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    learner = Counter(100, stop_at=2)
    run(learner, every=50)
    assert (learner.saved, learner.reported) == ([2], [])
    assert "stopped at step 2; the same command goes on" in capsys.readouterr().out
