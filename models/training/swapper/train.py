"""Train the swapper against exact ground truth, resumable: `scripts/train swapper.train`.

It runs on a GPU where there is one, and else on the CPU, and learns from what `pairs` has
rendered, also from what is rendered meanwhile. Ctrl-C stops it after a step; the same command goes
on. It needs the closely looking network of `swapper.looks`; the recogniser is the one trained here,
or else the shipped one. `--shipped` begins with the shipped weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from models.training.embedder.net import CHECKPOINT
from models.training.loop import run
from models.training.memory import keep_memory
from models.training.on_device import best_device
from models.training.pairs import CROPS
from models.training.precision import quick_autocast
from models.training.runs import (
    Average,
    Clock,
    data_folder,
    keep_state,
    load_checkpoint,
    log_line,
    seeded,
    take_up_state,
)
from models.training.swapper.batches import Batch, Batches
from models.training.swapper.critic import Judging, pull_of
from models.training.swapper.evaluate import measure, sheet
from models.training.swapper.files import checkpoint
from models.training.swapper.judged import of_network
from models.training.swapper.lessons import ease
from models.training.swapper.looks import frozen_looks
from models.training.swapper.losses import SwapLoss
from models.training.swapper.net import Swapper, begin_with_traits, composited, start_from
from models.training.swapper.recrop import shipped_places
from models.training.swapper.shipped import begin_with_shipped, reword
from models.training.swapper.sources import frozen_embedder

_SHARE_ON_CPU = 0.5  # of a batch that the recogniser looks at

_STYLE_PACE = 0.1
"""Of the learning rate: a gain sums up hundreds of numbers of like size, so that at full pace each
step would change it by a tenth, and what is learnt of one face undoes what was of another."""

_INTRODUCTION = 300
"""Steps in which the level that the smaller swapper has not learns alone. What was taken over
means nothing to it at first, and would be unlearnt."""


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options, self.device = options, best_device(options.device)
        size = options.size
        share = _SHARE_ON_CPU if self.device.type == "cpu" else 1.0
        judges = frozen_embedder(), frozen_looks(size), shipped_places()
        self.loss = SwapLoss(*judges, size, share).to(self.device)
        self.batches = Batches(size, self.device)
        self.net = Swapper(size)
        self._begin_with_traits()
        self.path = checkpoint(size)
        resumes = self.path.exists() and not options.fresh
        if options.start_from is not None:
            self._start_from(options.start_from)
        elif options.shipped and not resumes:
            begin_with_shipped(self.net)
            if options.knows is not None:
                reword(self.net, self.batches.still, options.knows)
        self.net = self.net.to(self.device, memory_format=torch.channels_last)
        self.average = Average(self.net, 0.999)
        self.optimiser = torch.optim.AdamW(
            self._groups(), lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.critic = Judging(self.device) if options.critic else None
        self.step, used = 0, 0.0
        if resumes:
            self.step, used = take_up_state(self.path, self.net, self.average, self.optimiser)
            self._take_up_critic()
        self.clock = Clock(options.minutes, options.steps, used)
        self.rng = np.random.default_rng((options.seed, 61, self.step))

    def _groups(self) -> list[dict[str, Any]]:
        """Weights that learn at full pace, and those of the style at a part of it.

        The level that the smaller member of the family lacks is a group of its own.
        """
        style = self.net.style_parameters()
        its = {id(p) for p in style}
        outer = self.net.outer_parameters() if self.net.size != CROPS[0] else []
        new = [p for p in outer if id(p) not in its]
        its |= {id(p) for p in new}
        rest = [p for p in self.net.parameters() if id(p) not in its]
        known = [{"params": rest, "pace": 1.0}, {"params": style, "pace": _STYLE_PACE}]
        return [*known, {"params": new, "pace": 1.0, "outer": True}] if new else known

    def _pace(self, group: dict[str, Any]) -> float:
        """A group's part of the learning rate at this step."""
        grown = self.options.start_from and self.net.size != CROPS[0]
        waits = grown and self.step < _INTRODUCTION
        return 0.0 if waits and not group.get("outer") else float(group["pace"])

    def _begin_with_traits(self) -> None:
        """A recogniser that was trained here has a reader of traits; the shipped one has none."""
        state = load_checkpoint(data_folder() / CHECKPOINT)
        if state is not None:
            read = state["traits"]
            begin_with_traits(self.net, read["read.weight"], read["read.bias"])

    def _start_from(self, path: Path) -> None:
        state = load_checkpoint(path)
        if state is None:
            raise SystemExit(f"there is no {path}")
        start_from(self.net, state["average"])

    def _take_up_critic(self) -> None:
        """Go on with the critic of earlier runs; a run without one, or before one, has none."""
        state = load_checkpoint(self.path)
        if self.critic is not None and state is not None and "critic" in state:
            self.critic.take_up(state["critic"])

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        more = {"critic": self.critic.state()} if self.critic is not None else {}
        keep_state(
            self.path, self.net, self.average, self.optimiser,
            step=self.step, used=self.clock.spent(), **more,
        )  # fmt: skip

    def draw(self) -> Batch:
        """The next batch: most of it single swaps, the rest neighbouring frames."""
        sequences = max(1, round(self.options.batch * self.options.neighbours / 2))
        stills = self.options.batch - 2 * sequences
        return self.batches.draw(stills, sequences, self.rng, self.ease())

    def ease(self) -> float:
        """How easy this step is, 1 to 0; what starts from other weights has had its lessons."""
        begun = self.options.start_from or self.options.shipped
        return 0.0 if begun else ease(self.step, self.options.lessons)

    def advance(self) -> dict[str, float]:
        """Draw a batch and learn from it."""
        return self.learn(self.draw())

    def refresh(self) -> None:
        """Take in what has been rendered since."""
        self.batches.refresh()

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; returns the terms of the loss, or nothing where that was not asked for."""
        rate = self.clock.rate(self.step, self.options.rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self._pace(group)
        target = batch.target.contiguous(memory_format=torch.channels_last)
        with quick_autocast(self.device):
            painted = self.net.painted(target, batch.source)
        painted = painted.float()
        made = composited(batch.target, painted)[0], painted
        seen, paint = (x.detach().requires_grad_() for x in made)
        total, terms = self.loss(seen, paint, batch, self.ease())
        at_output, at_paint = torch.autograd.grad(total, (seen, paint))
        if self.critic is not None:
            complaint = self.critic.complaint(seen, batch)
            at_output = at_output + pull_of(complaint, seen, at_output, self.options.critic)
            terms["critic"] = self.critic.learn(seen, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(made, (at_output, at_paint))
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.net)
        self.step += 1
        # Reading values waits for a GPU: not at every step.
        if self.step % 10 and self.device.type == "cuda":
            return {}
        return {"loss": total.item(), **{k: v.item() for k, v in terms.items()}}

    def report(self, losses: dict[str, float], console: Console) -> None:
        """Judge the averaged weights on some held-out pairs; write a log line and a sheet."""
        size = self.options.size
        swap = of_network(self.average.net)
        values = {
            "size": size,
            "step": self.step,
            "samples": self.step * self.options.batch,
            "minutes": self.clock.spent() / 60,
            "pictures": len(self.batches.still.ready),
            **losses,
            **measure(swap, size, pairs=self.options.pairs),
        }
        log_line("swapper", **values)
        console.print({k: round(v, 4) for k, v in values.items()})
        sheet(swap, size, data_folder() / "sheets" / f"swapper-{size}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    parser.add_argument("--minutes", type=float, default=65.0, help="with those of earlier runs")
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--neighbours", type=float, default=0.25, help="part of a batch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument(
        "--critic", type=float, default=0.0, metavar="SHARE",
        help="how strong a critic's pull is, as a part of that of all losses; 0 for none",
    )  # fmt: skip
    parser.add_argument("--lessons", type=int, default=3000, help="steps that begin easy")
    parser.add_argument("--every", type=int, default=1000, help="steps between two reports")
    parser.add_argument("--pairs", type=int, default=60, help="held-out pairs in a report")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--start-from", type=Path, help="checkpoint of the other size")
    parser.add_argument("--shipped", action="store_true", help="begin with the shipped weights")
    parser.add_argument(
        "--knows", type=Path, metavar="ONNX",
        help="the recogniser that the shipped swapper knows, where another was trained since",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    options = parser.parse_args()
    keep_memory()
    torch.set_num_threads(options.threads)
    run(Run(options), options.every)


if __name__ == "__main__":
    main()
