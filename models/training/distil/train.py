"""Train a student on its teacher's answers; it goes on from its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.crops import Pixels
from models.training.distil.judge import Nearness, nearness, of_network, to_tensor
from models.training.distil.labels import Labels
from models.training.distil.net import Student, composited
from models.training.distil.teacher import Shown
from models.training.pairs import Indices
from models.training.precision import quick_autocast
from models.training.runs import Average, Clock, keep_state, seeded, take_up_state

CHECKPOINT = "student.pt"
LOG = "log.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how a student is trained.

    Attributes:
        minutes: of training, those of earlier runs included.
        batch: crops in a step.
        rate: the highest learning rate.
        every: steps between two checkpoints.
        seed: of weights and batches.
        shows: part of the teacher's mask from which on people see the new face.
    """

    minutes: float
    batch: int = 16
    rate: float = 2e-3
    every: int = 250
    seed: int = 7
    shows: float = 1.0


def edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours, across and down."""
    return picture[..., :, 1:] - picture[..., :, :-1], picture[..., 1:, :] - picture[..., :-1, :]


def loss_of(
    target: Tensor, logits: Tensor, shown: Tensor, mask: Tensor, shows: float = 1.0
) -> Tensor:
    """What is wrong with a batch.

    1. Squared and absolute errors of the composited picture, most of all where people see the
       teacher's face: the bar is a PSNR there, and squares alone forget the small errors.
    2. Absolute errors of the face as the teacher's own mask composites it: a mask that is too thin
       must not hide a wrong face.
    3. Absolute errors of differences of neighbours, which keep lids and lips crisp.
    4. Cross-entropy of the mask. Its least is at the teacher's share, which need not be 0 or 1.

    Args:
        target: float32 (N, 3, S, S) RGB in [0, 1].
        logits: float32 (N, 4, S, S), face and mask before the sigmoid.
        shown: float32 (N, 3, S, S) what the teacher made of it, composited.
        mask: float32 (N, 1, S, S) in [0, 1], the teacher's.
        shows: part of that mask from which on people see the new face.
    """
    picture, _ = composited(target, logits)
    seen = (mask / shows).clamp(max=1.0)
    weight = 0.15 + seen
    total = weight.sum() * 3.0
    error = picture - shown
    loss = (error.abs() * weight).sum() / total + 10.0 * (error.square() * weight).sum() / total
    laid = target + (torch.sigmoid(logits[:, :3]) - target) * mask
    loss = loss + 0.3 * ((laid - shown).abs() * seen).sum() / (seen.sum() * 3.0 + 1.0)
    for own, true in zip(edges(picture), edges(shown), strict=True):
        loss = loss + 1.5 * (own - true).abs().mean()
    return loss + 0.1 * functional.binary_cross_entropy_with_logits(logits[:, 3:], mask)


def batches(ready: Indices, size: int, seed: int) -> Iterator[Indices]:
    """Places of labels, each once in an epoch, without an end; sorted, for the disk's sake.

    Raises:
        ValueError: there is not a batch of them.
    """
    if len(ready) < size:
        raise ValueError(f"{len(ready)} labels are no batch of {size}")
    rng = np.random.default_rng((seed, 51))
    while True:
        order = rng.permutation(ready)
        for start in range(0, len(order) - size + 1, size):
            yield np.sort(order[start : start + size])


class Run:
    """The state of one training run."""

    def __init__(self, folder: Path, size: int, labels: Labels, plan: Plan) -> None:
        """Begin, or take up the checkpoint in the folder.

        Args:
            folder: where checkpoint and log are.
            size: side of the crops.
            labels: what is learnt from; at least a batch of them.
            plan: how.
        """
        seeded(plan.seed)
        self.plan, self.labels, self._folder = plan, labels, folder
        self.net = Student(size).to(memory_format=torch.channels_last)
        self.average = Average(self.net, 0.999)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.losses: list[float] = []
        self.step, used = take_up_state(folder / CHECKPOINT, self.net, self.average, self.optimiser)
        self.clock = Clock(plan.minutes, 10**9, used)

    @property
    def finished(self) -> bool:
        """Whether the time is used up."""
        return self.clock.progress(self.step) >= 1.0

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        path, used = self._folder / CHECKPOINT, self.clock.spent()
        keep_state(path, self.net, self.average, self.optimiser, step=self.step, used=used)

    def learn(self, places: Indices) -> None:
        """One step on the labels at some places."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.plan.rate, warm=100)
        labels = self.labels
        target = to_tensor(labels.crops[places]).contiguous(memory_format=torch.channels_last)
        shown = to_tensor(labels.shown[places])
        mask = torch.from_numpy(np.asarray(labels.masks[places]))[:, None].float().div_(255.0)
        self.net.train()
        with quick_autocast("cpu"):
            logits = self.net.logits(target)
        loss = loss_of(target, logits.float(), shown, mask, self.plan.shows)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)):
            self.optimiser.step()
            self.average.update(self.net)
        self.losses.append(loss.item())
        self.step += 1

    def report(self, crops: list[Pixels], truths: list[Shown]) -> Nearness:
        """Judge the averaged weights on held-out crops, and write a line of the log."""
        found = nearness(of_network(self.average.net, self.plan.shows), crops, truths)
        line: dict[str, Any] = {
            "step": self.step,
            "minutes": round(self.clock.spent() / 60, 2),
            "loss": round(float(np.mean(self.losses)), 5) if self.losses else None,
            "psnr": round(found.psnr, 3),
            "mask_overlap": round(found.overlap, 4),
        }
        self.losses.clear()
        with (self._folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        return found

    def train(
        self,
        crops: list[Pixels],
        truths: list[Shown],
        *,
        stopped: Callable[[], bool],
        told: Callable[[float, str], None],
    ) -> None:
        """Train until the time is used up or somebody stops it; the checkpoint is there then.

        Args:
            crops: held-out crops.
            truths: what the teacher makes of them.
            stopped: whether to stop now.
            told: told what part of the time is used, and a line for people.
        """
        text = ""
        for places in batches(self.labels.ready(), self.plan.batch, self.plan.seed + self.step):
            if self.finished or stopped():
                break
            self.learn(places)
            if self.step % self.plan.every == 0:
                self.save()
                found = self.report(crops, truths)
                text = f"{found.psnr:.1f} dB to the teacher"
            told(self.clock.progress(self.step), f"step {self.step}  {text}")
        self.save()
