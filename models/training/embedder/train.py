"""Train the recogniser: CosFace over face parts, one-cycle by wall-clock, resumable.

Run `python -m models.training.embedder.train --minutes 18`.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from models.training.embedder.data import Views
from models.training.embedder.evaluate import verification
from models.training.embedder.net import LENGTH, Embedder
from models.training.pairs import Store
from models.training.runs import (
    Average,
    Clock,
    data_folder,
    load_checkpoint,
    log_line,
    save_checkpoint,
    seeded,
)
from models.training.traits import trait_table

CHECKPOINT = "embedder.pt"
TRAITS = 20.0  # weight of reading the traits beside telling the faces apart
console = Console()


class CosFace(nn.Module):
    """Cosine classifier with a margin: the right class must win by `margin`."""

    def __init__(self, classes: int, scale: float = 32.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, LENGTH) * 0.05)
        self.scale = scale

    def forward(self, embedding: Tensor, label: Tensor, margin: float) -> Tensor:
        cosines = embedding @ functional.normalize(self.centres, dim=1).T
        taken = functional.one_hot(label, len(self.centres)).to(cosines.dtype) * margin
        return functional.cross_entropy((cosines - taken) * self.scale, label)


class Traits(nn.Module):
    """Reads the face part's own numbers back from the unit embedding.

    Telling thousands of faces apart needs few of their traits; a swapper needs them all. Asking
    for every trait puts it into the embedding, and teaches faster than classes alone.
    """

    def __init__(self, identities: int) -> None:
        super().__init__()
        table = trait_table(identities)
        self.table: Tensor
        self.register_buffer("table", torch.from_numpy(table), persistent=False)
        self.read = nn.Linear(LENGTH, table.shape[1])

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        read = self.read(embedding * LENGTH**0.5)
        return functional.smooth_l1_loss(read, self.table[label])


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options = options
        self.store = Store("train")
        self.net = Embedder().to(memory_format=torch.channels_last)
        self.classes = CosFace(int(self.store.plan.faces.max()) + 1)
        self.traits = Traits(len(self.classes.centres))
        self.average = Average(self.net, 0.998)
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(self.net.parameters()), "weight_decay": 0.02},
                {"params": list(self.classes.parameters()), "weight_decay": 0.0},
                {"params": list(self.traits.parameters()), "weight_decay": 0.0},
            ],
            lr=options.rate,
        )
        self.step = 0
        self.epoch = 0
        self.path = data_folder() / CHECKPOINT
        used = 0.0 if options.fresh else self._resume()
        self.clock = Clock(options.minutes, options.steps, used)

    def _resume(self) -> float:
        state = load_checkpoint(self.path)
        if state is None:
            return 0.0
        self.net.load_state_dict(state["net"])
        self.classes.load_state_dict(state["classes"])
        self.traits.load_state_dict(state["traits"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = state["epoch"]
        return float(state["used"])

    def save(self) -> None:
        save_checkpoint(
            self.path,
            net=self.net.state_dict(),
            classes=self.classes.state_dict(),
            traits=self.traits.state_dict(),
            average=self.average.net.state_dict(),
            optimiser=self.optimiser.state_dict(),
            step=self.step,
            epoch=self.epoch,
            used=self.clock.spent(),
        )

    def learn(self, pictures: Tensor, labels: Tensor) -> tuple[float, float]:
        """One step; returns the losses of classes and traits."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.options.rate)
        # The margin comes in slowly: at full size from the start it only slows a cold network.
        margin = 0.25 * min(1.0, self.clock.progress(self.step) / 0.6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embedding = self.net(pictures.to(memory_format=torch.channels_last))
        embedding = embedding.float()
        loss = self.classes(embedding, labels, margin)
        traits = self.traits(embedding, labels)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + TRAITS * traits).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.average.update(self.net)
        self.step += 1
        return float(loss.item()), float(traits.item())

    def report(self, losses: list[tuple[float, float]]) -> None:
        values: dict[str, Any] = {
            "step": self.step,
            "minutes": self.clock.spent() / 60,
            "pictures": len(self.store.ready()),
            "loss": float(np.mean([a for a, _ in losses])),
            "traits": float(np.mean([b for _, b in losses])),
            **verification(self.average.net, identities=80),
        }
        log_line("embedder", **values)
        console.print({k: round(v, 4) for k, v in values.items()})


def train(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    run = Run(options)
    losses: list[tuple[float, float]] = []
    while run.clock.progress(run.step) < 1.0:
        views = Views(run.store, run.store.ready(), options.seed + run.epoch)
        loader = DataLoader(
            views, options.batch, shuffle=True, drop_last=True, num_workers=options.workers
        )
        for pictures, labels in loader:
            losses.append(run.learn(pictures, labels))
            if run.step % options.every == 0:
                run.report(losses)
                run.save()
                losses.clear()
            if run.clock.progress(run.step) >= 1.0:
                break
        run.epoch += 1
    run.report(losses or [(float("nan"), float("nan"))])
    run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=18.0)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=200, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
