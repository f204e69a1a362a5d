"""What every training run shares: seeds, a log line per report, resumable checkpoints, EMA."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.training.folders import CARDS as CARDS
from models.training.folders import LOGS as LOGS
from models.training.folders import WEIGHTS as WEIGHTS
from models.training.folders import data_folder as data_folder


def seeded(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)


def log_line(name: str, **values: Any) -> None:
    """Append one JSON object to a run's log; floats are rounded, for diffs that can be read."""
    LOGS.mkdir(parents=True, exist_ok=True)
    neat = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in values.items()}
    with (LOGS / f"{name}.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(neat) + "\n")


def save_checkpoint(path: Path, **state: Any) -> None:
    """Write a checkpoint completely, or leave the last one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    return state


class Average:
    """An exponential moving average of a module's weights, warm from the first step."""

    def __init__(self, net: nn.Module, decay: float = 0.999) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        own = list(self.net.parameters())
        torch._foreach_lerp_(own, [p.detach() for p in net.parameters()], 1.0 - decay)
        for mine, theirs in zip(self.net.buffers(), net.buffers(), strict=True):
            mine.copy_(theirs)


def keep_state(
    path: Path,
    net: nn.Module,
    average: Average,
    optimiser: torch.optim.Optimizer,
    *,
    step: int,
    used: float,
    **more: Any,
) -> None:
    """Write the checkpoint of a run that is a network, its average and an optimiser, and more."""
    save_checkpoint(
        path,
        net=net.state_dict(),
        average=average.net.state_dict(),
        optimiser=optimiser.state_dict(),
        step=step,
        used=used,
        **more,
    )


def take_up_state(
    path: Path, net: nn.Module, average: Average, optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    """Take up what `keep_state` wrote; return its step and the seconds used, zeros without it."""
    state = load_checkpoint(path)
    if state is None:
        return 0, 0.0
    net.load_state_dict(state["net"])
    average.net.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    average.steps = state["step"]
    return int(state["step"]), float(state["used"])


def cosine(progress: float, floor: float = 0.01) -> float:
    """The learning rate's part of its peak, when `progress` (0 to 1) of a run is done."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


class Clock:
    """A cosine schedule over a budget of wall-clock time or of steps, whichever ends first.

    A run that was stopped and resumed keeps the time that it has already used.
    """

    def __init__(self, minutes: float, steps: int, used: float = 0.0) -> None:
        self.seconds = minutes * 60.0
        self.steps = steps
        self.used = used
        self.began = time.monotonic()

    def spent(self) -> float:
        return self.used + time.monotonic() - self.began

    def progress(self, step: int) -> float:
        """How much of the run is done, 0 to 1."""
        return min(max(self.spent() / self.seconds, step / max(self.steps, 1)), 1.0)

    def rate(self, step: int, peak: float, warm: int = 200, floor: float = 0.01) -> float:
        """The learning rate of a step."""
        return peak * cosine(self.progress(step), floor) * min(1.0, (step + 1) / warm)
