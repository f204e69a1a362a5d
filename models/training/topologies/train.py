"""Train a topology for some minutes, so that its activations are those of a real network.

Run `python -m models.training.topologies.train insq --minutes 12`; it goes on where it stopped.
The pairs and the embeddings of the swapper's training must be there.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from models.training.memory import keep_memory
from models.training.pairs import Store
from models.training.precision import quick_autocast
from models.training.runs import (
    Average,
    Clock,
    data_folder,
    keep_state,
    log_line,
    seeded,
    take_up_state,
)
from models.training.topologies.contracts import TOPOLOGIES, Topology
from models.training.topologies.data import Pairs, sources_of

console = Console()


def swap_of(net: nn.Module, topology: Topology, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """What the network gives for a batch: the picture in [0, 1], and the mask where it has one."""
    mean = torch.tensor(topology.mean)[:, None, None]
    std = torch.tensor(topology.std)[:, None, None]
    target = ((batch["target"] - mean) / std).contiguous(memory_format=torch.channels_last)
    picture, *mask = net(target, batch["source"])
    return (picture - topology.black) / (1.0 - topology.black), *mask


def loss_of(outputs: tuple[Tensor, ...], batch: dict[str, Tensor]) -> Tensor:
    """Absolute error where the pictures differ, fine and coarse; cross-entropy of the mask."""
    weight = 0.3 + 2.0 * batch["region"]
    error = (outputs[0] - batch["truth"]) * weight
    loss = error.abs().mean() + 2.0 * functional.avg_pool2d(error, 8).abs().mean()
    for mask in outputs[1:]:
        soft = mask.float().clamp(1e-5, 1 - 1e-5)
        loss = loss + 0.3 * functional.binary_cross_entropy(soft, batch["region"])
    return loss


def halved(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same pairs at half the size: steps cost a quarter, and teach the rough of it."""
    return {k: functional.avg_pool2d(v, 2) if v.ndim == 4 else v for k, v in batch.items()}


@torch.no_grad()
def held_out_psnr(net: nn.Module, topology: Topology, pairs: Pairs, count: int = 32) -> float:
    """Mean PSNR in dB against the exact truth, on pictures that nothing was learnt from."""
    net.eval()
    rng = np.random.default_rng(43)
    batch = pairs.batch(pairs.held[:: max(1, len(pairs.held) // count)][:count], rng)
    scores = []
    for i in range(len(batch["truth"])):
        one = {key: value[i : i + 1] for key, value in batch.items()}
        error = (swap_of(net, topology, one)[0] - one["truth"]).square().mean()
        scores.append(-10 * torch.log10(error))
    return float(torch.stack(scores).mean())


class Run:
    """The state of one training run; it goes on from its checkpoint."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options = options
        self.topology = TOPOLOGIES[options.topology]
        self.net = self.topology.build().to(memory_format=torch.channels_last)
        self.average = Average(self.net, 0.99)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=options.rate, betas=(0.9, 0.99)
        )
        self.path = data_folder() / "topologies" / f"{self.topology.name}.pt"
        self.step, used = take_up_state(self.path, self.net, self.average, self.optimiser)
        self.clock = Clock(options.minutes, 10**7, used)
        store = Store("train")
        self.pairs = Pairs(store, sources_of(store), self.topology.template, self.topology.size)
        self.losses: list[float] = []

    def learn(self, batch: dict[str, Tensor]) -> None:
        """One step."""
        self.net.train()
        if self.clock.progress(self.step) < self.options.small:
            batch = halved(batch)
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.options.rate, warm=30)
        with quick_autocast("cpu"):
            outputs = swap_of(self.net, self.topology, batch)
        loss = loss_of(outputs, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)):
            self.optimiser.step()
            self.average.update(self.net)
        self.losses.append(loss.item())
        self.step += 1

    def keep(self) -> None:
        """Write the checkpoint, and a line of the log."""
        used = self.clock.spent()
        keep_state(self.path, self.net, self.average, self.optimiser, step=self.step, used=used)
        values = {
            "step": self.step,
            "minutes": self.clock.spent() / 60,
            "loss": float(np.mean(self.losses)) if self.losses else 0.0,
            "psnr": held_out_psnr(self.average.net, self.topology, self.pairs),
        }
        log_line(f"topology-{self.topology.name}", **values)
        console.print(values)
        self.losses.clear()


def train(options: argparse.Namespace) -> None:
    """Train until the time is used up; a checkpoint each `every` steps."""
    keep_memory()
    torch.set_num_threads(options.threads)
    run = Run(options)
    for batch in run.pairs.batches(options.batch, options.seed + run.step):
        if run.clock.progress(run.step) >= 1.0:
            break
        run.learn(batch)
        if run.step % options.every == 0:
            run.keep()
    run.keep()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topology", choices=sorted(TOPOLOGIES))
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", type=float, default=0.0, help="part of the time at half size")
    parser.add_argument("--every", type=int, default=50, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=5)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
