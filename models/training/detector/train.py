"""Train the detector; stop it with Ctrl-C and start it again at will.

Usage::

    python -m models.training.detector.train --minutes 60
    python -m models.training.detector.train --minutes 60 --restart 0.33    # another round
    python -m models.training.detector.train --shipped --rate 1e-3    # from the shipped weights on

The weights' average is what is exported; checkpoints lie with the training data, the log of losses
in ``models/training/logs/detector.jsonl``.
"""

from __future__ import annotations

import argparse
import math
import signal
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor, nn
from torch.multiprocessing import spawn

from models.training.detector.assign import grid
from models.training.detector.data import Batch, Canvases, stream
from models.training.detector.losses import losses
from models.training.detector.net import Detector, flat
from models.training.memory import keep_memory
from models.training.precision import quick_autocast
from models.training.runs import (
    WEIGHTS,
    Average,
    Clock,
    data_folder,
    load_checkpoint,
    log_line,
    save_checkpoint,
    seeded,
)
from models.training.shipped import TO_MEASURE, take_over
from models.training.stopping import Stop

PEAK_RATE = 3e-3
REPORT = 50


def checkpoint_path() -> Path:
    """Where the run is kept."""
    return data_folder() / "detector" / "checkpoint.pt"


def as_input(pictures: Tensor) -> Tensor:
    """Bring uint8 pictures to what the network takes."""
    return pictures.float().div_(255)


def begin_with_shipped(net: nn.Module, seed: int) -> None:
    """Take over the weights of `ref_detector`, alike in every trainer."""
    batches = (as_input(pictures) for pictures, _ in islice(Canvases(seed), TO_MEASURE))
    take_over(net, WEIGHTS / "ref_detector.onnx", batches, "net.")


def judged(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Run a batch and return its losses as scalars."""
    pictures, truth = batch
    height, width = pictures.shape[-2:]
    with quick_autocast("cpu"):
        levels = net(as_input(pictures))
    scores = torch.cat([flat(logits).float() for logits, _, _ in levels], 1).squeeze(-1)
    shapes = torch.cat([flat(torch.cat(level[1:], 1)).float() for level in levels], 1)
    cells, strides = (torch.from_numpy(a) for a in grid(height, width))
    return losses(scores, shapes, cells, strides, truth)


def optimiser(net: nn.Module) -> torch.optim.AdamW:
    """AdamW that does not decay biases and normalisations."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups)


def shared(net: nn.Module, progress: float) -> float:
    """Average the gradients over all trainers and agree on the largest progress, 0..1.

    So all end at the same step: with the first one's clock, or when one of them was asked to stop.
    """
    if not dist.is_initialized():
        return progress
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    # Each trainer writes its own place of the message, so that the sum is all of them.
    mine = torch.zeros(dist.get_world_size())
    mine[dist.get_rank()] = progress
    message = torch.cat([g.reshape(-1) for g in gradients] + [mine])
    dist.all_reduce(message)
    place = 0
    for gradient in gradients:
        part = message[place : place + gradient.numel()]
        gradient.copy_(part.view_as(gradient) / dist.get_world_size())
        place += gradient.numel()
    return float(message[place:].max())


class Report:
    """Means of the losses between two lines of the log."""

    def __init__(self) -> None:
        """Start empty."""
        self.sums: dict[str, float] = {}
        self.seen, self.began = 0, time.monotonic()

    def add(self, parts: dict[str, Tensor], pictures: int) -> None:
        """Note one batch."""
        self.seen += pictures
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach()) / REPORT

    def write(self, console: Console, step: int, minutes: float, rate: float) -> None:
        """Add a line to the log and the console and start again."""
        pace = self.seen / (time.monotonic() - self.began)
        log_line("detector", step=step, minutes=minutes, rate=rate, **self.sums)
        neat = " ".join(f"{name} {value:.4f}" for name, value in self.sums.items())
        console.print(f"{step} {minutes:.1f} min, {pace:.0f}/s, {neat}")
        self.sums, self.seen, self.began = {}, 0, time.monotonic()


def train(rank: int, options: argparse.Namespace, meeting: str) -> None:
    """Train until the minutes or the steps are used up.

    Args:
        rank: number of this trainer; the first one writes log and checkpoints.
        options: the command line.
        meeting: file through which several trainers find each other.
    """
    keep_memory()
    torch.set_num_threads(1)
    if options.trainers > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=options.trainers
        )
    saved = None if options.fresh else load_checkpoint(checkpoint_path())
    step = saved["step"] if saved else 0
    seeded(options.seed)
    net = Detector().to(memory_format=torch.channels_last).train()
    if options.shipped and not saved:
        begin_with_shipped(net, options.seed)
    average, rule = Average(net, 0.9985), optimiser(net)
    if saved:
        net.load_state_dict(saved["net"])
        average.net.load_state_dict(saved["average"])
        average.steps = step
        rule.load_state_dict(saved["rule"])
    used = saved["used"] if saved else 0.0
    if options.restart is not None:
        used = options.restart * options.minutes * 60
    clock = Clock(options.minutes, options.steps, used)
    console, report, progress = Console(), Report(), clock.progress(step)
    with Stop() as stop:
        if options.trainers > 1:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches the first process, who tells
        batches = stream(options.seed + step, rank, options.workers)
        while progress < 1:
            batch = next(batches)
            for group in rule.param_groups:
                group["lr"] = options.rate * rate_at(progress, step)
            parts = judged(net, batch)
            rule.zero_grad(set_to_none=True)
            parts["loss"].backward()
            progress = shared(net, 1.0 if stop.asked else clock.progress(step))
            norm = nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            if torch.isfinite(norm):
                rule.step()
            average.update(net)
            step += 1
            if rank > 0:
                continue
            report.add(parts, len(batch[0]) * options.trainers)
            if step % REPORT == 0:
                report.write(console, step, clock.spent() / 60, rule.param_groups[0]["lr"])
            if step % (4 * REPORT) == 0 or progress >= 1:
                keep(net, average, rule, step, clock)
    if rank == 0 and clock.progress(step) < 1:
        console.print(f"stopped at step {step}; the same command goes on")


def rate_at(progress: float, step: int) -> float:
    """Return the learning rate's part of its peak: a short warm-up, then half a cosine."""
    curve = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
    return curve * min(1.0, (step + 1) / 200)


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
    parser.add_argument("--trainers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--workers", type=int, default=1, help="data processes of each trainer")
    parser.add_argument("--fresh", action="store_true", help="ignore the checkpoint")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="the highest learning rate")
    parser.add_argument(
        "--shipped", action="store_true",
        help="begin with the shipped weights where there is no checkpoint",
    )  # fmt: skip
    parser.add_argument(
        "--restart", type=float, metavar="SHARE",
        help="keep the weights, but set the schedule back to this share of the run, 0..1",
    )  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        meeting = str(Path(scratch) / "meeting")
        if options.trainers > 1:
            # One thread each and one exchange a step: threads that wait for each other at every
            # layer come to a standstill on a machine with other work.
            trainers = spawn(train, (options, meeting), nprocs=options.trainers, join=False)
            with Stop() as stop:
                told = False
                while not trainers.join(timeout=0.5):
                    if stop.asked and not told:
                        told = True
                        for process in trainers.processes:
                            process.terminate()  # to a trainer: stop behind this step
        else:
            train(0, options, meeting)


if __name__ == "__main__":
    main()
