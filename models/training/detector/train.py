"""Train the detector; stop and start it at will.

Usage::

    python -m models.training.detector.train --minutes 60

The weights' average is what is exported; checkpoints lie with the training data, the log of losses
in ``models/training/logs/detector.jsonl``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

from models.training.detector.assign import grid
from models.training.detector.data import Batch, stream
from models.training.detector.losses import losses
from models.training.detector.net import Detector, flat
from models.training.runs import (
    Average,
    Clock,
    data_folder,
    load_checkpoint,
    log_line,
    save_checkpoint,
    seeded,
)

PEAK_RATE = 3e-3
REPORT = 50


def checkpoint_path() -> Path:
    """Where the run is kept."""
    return data_folder() / "detector" / "checkpoint.pt"


def judged(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Run a batch and return its losses as scalars."""
    pictures, truth = batch
    height, width = pictures.shape[-2:]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        levels = net(pictures.float().div_(255))
    scores = torch.cat([flat(logits).float() for logits, _, _ in levels], 1).squeeze(-1)
    shapes = torch.cat([flat(torch.cat(level[1:], 1)).float() for level in levels], 1)
    cells, strides = (torch.from_numpy(a) for a in grid(height, width))
    return losses(scores, shapes, cells, strides, truth)


def optimiser(net: nn.Module) -> torch.optim.AdamW:
    """AdamW that does not decay biases and normalisations."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE)


def train(options: argparse.Namespace) -> None:
    """Train until the minutes or the steps are used up."""
    console = Console()
    torch.set_num_threads(options.threads)
    saved = None if options.fresh else load_checkpoint(checkpoint_path())
    step = saved["step"] if saved else 0
    seeded(options.seed + step)
    net = Detector().to(memory_format=torch.channels_last).train()
    average, rule = Average(net, 0.9985), optimiser(net)
    if saved:
        net.load_state_dict(saved["net"])
        average.net.load_state_dict(saved["average"])
        average.steps = step
        rule.load_state_dict(saved["rule"])
    clock = Clock(options.minutes, options.steps, saved["used"] if saved else 0.0)
    batches = stream(options.seed + step, options.workers)
    sums: dict[str, float] = {}
    seen, began = 0, time.monotonic()
    while clock.progress(step) < 1:
        batch = next(batches)
        for group in rule.param_groups:
            group["lr"] = clock.rate(step, PEAK_RATE)
        parts = judged(net, batch)
        rule.zero_grad(set_to_none=True)
        parts["loss"].backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        if torch.isfinite(norm):
            rule.step()
        average.update(net)
        step, seen = step + 1, seen + len(batch[0])
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach()) / REPORT
        if step % REPORT == 0:
            pace = seen / (time.monotonic() - began)
            rate = rule.param_groups[0]["lr"]
            log_line("detector", step=step, minutes=clock.spent() / 60, rate=rate, **sums)
            neat = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
            console.print(f"{step} {clock.spent() / 60:.1f} min, {pace:.0f}/s, {neat}")
            sums, seen, began = {}, 0, time.monotonic()
        if step % (8 * REPORT) == 0:
            keep(net, average, rule, step, clock)
    keep(net, average, rule, step, clock)


def keep(
    net: nn.Module, average: Average, rule: torch.optim.AdamW, step: int, clock: Clock
) -> None:
    """Write the checkpoint."""
    save_checkpoint(
        checkpoint_path(), net=net.state_dict(), average=average.net.state_dict(),
        rule=rule.state_dict(), step=step, used=clock.spent(),
    )  # fmt: skip


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="wall-clock budget of the run")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="ignore the checkpoint")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
