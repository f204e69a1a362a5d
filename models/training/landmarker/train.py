"""Train the landmarker, resumable, by wall-clock.

Run `python -m models.training.landmarker.train --minutes 40`. It needs the detector's pool and
photographs, and the store of pairs. `--shipped` begins with the shipped weights. Ctrl-C stops it
after a step; the same command goes on.
"""

from __future__ import annotations

import argparse
from itertools import islice

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from models.training.landmarker.data import Crops, stream
from models.training.landmarker.net import Landmarker
from models.training.loop import run
from models.training.memory import keep_memory
from models.training.precision import quick_autocast
from models.training.runs import (
    WEIGHTS,
    Average,
    Clock,
    data_folder,
    keep_state,
    log_line,
    seeded,
    take_up_state,
)
from models.training.shipped import TO_MEASURE, take_over

CHECKPOINT = "landmarker.pt"
_DOUBT = 0.2  # weight of telling a face from what is none beside placing its points


def distance(points: Tensor, truth: Tensor) -> Tensor:
    """The mean distance of the five points by the distance of the true eyes, (N,).

    The eyes of a turned head come close to each other; from a tenth of the crop on they count as
    no nearer, or a few profiles would outweigh the rest.
    """
    eyes = (truth[:, 0] - truth[:, 1]).norm(dim=1).clamp(min=0.1)
    return (points.view(-1, 5, 2) - truth).norm(dim=2).mean(dim=1) / eyes


def as_input(pictures: Tensor) -> Tensor:
    """Bring uint8 crops to what the network takes, in [-1, 1]."""
    crops = pictures.float().div_(127.5).sub_(1.0)
    return crops.contiguous(memory_format=torch.channels_last)


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options = options
        self.net = Landmarker().to(memory_format=torch.channels_last)
        self.path = data_folder() / CHECKPOINT
        resumes = self.path.exists() and not options.fresh
        if options.shipped and not resumes:
            self._begin_with_shipped()
        self.average = Average(self.net, 0.999)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=options.rate, weight_decay=0.02
        )
        self.step, used = 0, 0.0
        if resumes:
            self.step, used = take_up_state(self.path, self.net, self.average, self.optimiser)
        self.clock = Clock(options.minutes, options.steps, used)
        self.crops = stream(options.seed + self.step, options.batch, options.workers)

    def _begin_with_shipped(self) -> None:
        batches = islice(Crops(self.options.seed, self.options.batch), TO_MEASURE)
        crops = (as_input(pictures) for pictures, _, _ in batches)
        take_over(self.net, WEIGHTS / "ref_landmarker.onnx", crops, added=("face",))

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        keep_state(
            self.path, self.net, self.average, self.optimiser,
            step=self.step, used=self.clock.spent(),
        )  # fmt: skip

    def advance(self) -> dict[str, float]:
        """Draw a batch and learn from it."""
        pictures, truth, is_face = next(self.crops)
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.options.rate, warm=300)
        self.net.train()
        with quick_autocast("cpu"):
            maps = self.net.body(as_input(pictures))
        points, logits = self.net.read(maps.float())
        error = (distance(points, truth) * is_face).sum() / is_face.sum().clamp(min=1.0)
        doubt = functional.binary_cross_entropy_with_logits(logits[:, 0], is_face)
        loss = error + _DOUBT * doubt
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        self.average.update(self.net)
        self.step += 1
        return {"error": error.item(), "doubt": doubt.item()}

    def refresh(self) -> None:
        """What is rendered meanwhile is taken in by the next run."""

    def report(self, losses: dict[str, float], console: Console) -> None:
        """Write a line of the log."""
        minutes = self.clock.spent() / 60
        log_line("landmarker", step=self.step, minutes=minutes, **losses)
        neat = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        console.print(f"{self.step} {minutes:.1f} min, {neat}")


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=int, default=200, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    parser.add_argument(
        "--shipped", action="store_true",
        help="begin with the shipped weights where there is no checkpoint",
    )  # fmt: skip
    options = parser.parse_args()
    keep_memory()
    learner = Run(options)
    torch.set_num_threads(options.threads)  # crops that are made in this process want one
    run(learner, options.every)


if __name__ == "__main__":
    main()
