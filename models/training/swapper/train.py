"""Train the swapper against exact ground truth, resumable, by wall-clock or steps.

Run `python -m models.training.swapper.train --minutes 65`. It needs a trained recogniser.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.training.pairs import Store
from models.training.runs import (
    Average,
    Clock,
    cosine,
    data_folder,
    load_checkpoint,
    log_line,
    save_checkpoint,
    seeded,
)
from models.training.swapper.data import Sources, Swaps, TraitSources
from models.training.swapper.evaluate import measure, of_network, sheet
from models.training.swapper.losses import SwapLoss
from models.training.swapper.net import Swapper
from models.training.swapper.sources import frozen_embedder, make_bank

CHECKPOINT = "swapper.pt"
console = Console()


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options = options
        self.store = Store("train")
        self.sources: Sources | TraitSources = (
            TraitSources(self.store, self.store.ready())
            if options.traits
            else make_bank(self.store, options.workers)
        )
        self.net = Swapper().to(memory_format=torch.channels_last)
        self.average = Average(self.net, 0.999)
        self.loss = SwapLoss(frozen_embedder())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.step = 0
        self.epoch = 0
        self.path = data_folder() / CHECKPOINT
        used = 0.0 if options.fresh else self._resume()
        self.clock = Clock(options.minutes, options.steps, used)
        self.progress = self.clock.progress(self.step)

    def _agree(self) -> None:
        """Average gradients and progress over the ranks, so that all of them step alike."""
        if not dist.is_initialized():
            self.progress = self.clock.progress(self.step)
            return
        grads = [p.grad for p in self.net.parameters() if p.grad is not None]
        own = torch.tensor([self.clock.progress(self.step)])
        flat = torch.cat([*(g.flatten() for g in grads), own])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        parts = flat[:-1].split([g.numel() for g in grads])
        for grad, part in zip(grads, parts, strict=True):
            grad.copy_(part.view_as(grad))
        self.progress = float(flat[-1])

    def _resume(self) -> float:
        state = load_checkpoint(self.path)
        if state is None:
            return 0.0
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = self.step = state["step"]
        if "optimiser" in state:
            self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = state["epoch"]
        return float(state["used"])

    def save(self) -> None:
        save_checkpoint(
            self.path,
            net=self.net.state_dict(),
            average=self.average.net.state_dict(),
            optimiser=self.optimiser.state_dict(),
            step=self.step,
            epoch=self.epoch,
            used=self.clock.spent(),
        )

    def learn(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One step; returns the terms of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(self.progress) * self.options.rate * min(1, (self.step + 1) / 500)
        target = batch["target"].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.net.logits(target, batch["source"])
        both = torch.sigmoid(logits.float())
        output = target + (both[:, :3] - target) * both[:, 3:]
        total, terms = self.loss(output, logits[:, 3:].float(), batch)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self._agree()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.net)
        self.step += 1
        return {"loss": total.item(), **{k: v.item() for k, v in terms.items()}}

    def report(self, losses: dict[str, list[float]]) -> None:
        traits = self.options.traits  # held-out sources are embeddings
        scores = {} if traits else measure(of_network(self.average.net), pairs=60)
        means = {k: float(np.mean(v)) for k, v in losses.items()}
        values = {"step": self.step, "minutes": self.clock.spent() / 60, **means, **scores}
        log_line("swapper", **values)
        console.print({k: round(v, 4) for k, v in values.items()})


def train(rank: int, options: argparse.Namespace) -> None:
    """Train in this process, the `rank`-th of `options.ranks`."""
    torch.set_num_threads(options.threads)
    if options.ranks > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(options.port))
        dist.init_process_group("gloo", rank=rank, world_size=options.ranks)
    run = Run(options)
    losses: dict[str, list[float]] = defaultdict(list)
    while run.progress < 1.0:
        share = run.sources.indices[rank :: options.ranks]
        share = share[: len(run.sources.indices) // options.ranks]
        swaps = Swaps(run.store, run.sources, share, options.seed + run.epoch)
        loader = DataLoader(
            swaps,
            options.batch,
            shuffle=True,
            drop_last=True,
            num_workers=options.workers,
            multiprocessing_context="fork",  # spawned workers would copy the store into memory
        )
        for batch in loader:
            for name, value in run.learn(batch).items():
                losses[name].append(value)
            if run.step % options.every == 0 and rank == 0:
                run.report(losses)
                run.save()
                if not options.traits:
                    sheet(of_network(run.average.net), data_folder() / "sheets" / "swapper.png")
                losses.clear()
            if run.progress >= 1.0:
                break
        run.epoch += 1
    if rank == 0:
        run.save()
        run.report(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=65.0)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1000, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--traits", action="store_true", help="from traits, before embeddings")
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    parser.add_argument("--ranks", type=int, default=1, help="processes that share the work")
    parser.add_argument("--port", type=int, default=29511, help="where they meet on this machine")
    options = parser.parse_args()
    if options.ranks > 1:
        torch.multiprocessing.spawn(train, (options,), nprocs=options.ranks)
    else:
        train(0, options)


if __name__ == "__main__":
    main()
