"""Train the landmarker, resumable, by wall-clock.

Run `python -m models.training.landmarker.train --minutes 40`. It needs the detector's pool and
photographs, and the store of pairs. `--shipped` begins with the shipped weights.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

from models.training.landmarker.data import Crops, stream
from models.training.landmarker.net import Landmarker
from models.training.precision import quick_autocast
from models.training.runs import (
    WEIGHTS,
    Average,
    Clock,
    cosine,
    data_folder,
    load_checkpoint,
    log_line,
    save_checkpoint,
    seeded,
)
from models.training.shipped import take_over

_TO_MEASURE = 8  # batches that say how large the shipped network's numbers are
CHECKPOINT = "landmarker.pt"
console = Console()


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


def begin_with_shipped(net: Landmarker, options: argparse.Namespace) -> None:
    """Take over the weights of `ref_landmarker`."""
    batches = islice(Crops(options.seed, options.batch), _TO_MEASURE)
    crops = (as_input(pictures) for pictures, _ in batches)
    take_over(net, WEIGHTS / "ref_landmarker.onnx", crops)


def train(options: argparse.Namespace) -> None:
    """Train until the time is used."""
    seeded(options.seed)
    net = Landmarker().to(memory_format=torch.channels_last)
    path, step, used = data_folder() / CHECKPOINT, 0, 0.0
    state = None if options.fresh else load_checkpoint(path)
    if options.shipped and state is None:
        begin_with_shipped(net, options)
    torch.set_num_threads(options.threads)
    average = Average(net, 0.999)
    optimiser = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.02)
    if state is not None:
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, used = state["step"], state["used"]
        average.steps = step
    clock = Clock(options.minutes, options.steps, used)
    console.print(f"{sum(p.numel() for p in net.parameters())} parameters")
    losses: list[float] = []
    for pictures, truth in stream(options.seed + step, options.batch, options.workers):
        progress = clock.progress(step)
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = options.rate * cosine(progress) * min(1.0, (step + 1) / 300)
        with quick_autocast("cpu"):
            maps = net.body(as_input(pictures))
        points = net.usual + 0.1 * net.points(maps.float().flatten(1))
        loss = distance(points, truth).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        average.update(net)
        losses.append(loss.item())
        step += 1
        if step % options.every == 0:
            mean = sum(losses) / len(losses)
            losses.clear()
            log_line("landmarker", step=step, minutes=clock.spent() / 60, error=mean)
            console.print(f"{step} {clock.spent() / 60:.1f} min, error {mean:.4f}")
            _save(path, net, average, optimiser, step, clock)
    _save(path, net, average, optimiser, step, clock)


def _save(
    path: Path, net: nn.Module, average: Average, optimiser: torch.optim.Optimizer, step: int,
    clock: Clock,
) -> None:  # fmt: skip
    save_checkpoint(
        path, net=net.state_dict(), average=average.net.state_dict(),
        optimiser=optimiser.state_dict(), step=step, used=clock.spent(),
    )  # fmt: skip


def main() -> None:
    """Train from the command line."""
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
    train(parser.parse_args())


if __name__ == "__main__":
    main()
