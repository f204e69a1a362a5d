"""A small network that looks closely, for the perceptual loss: `scripts/train swapper.looks`.

It reads from a crop everything that the renderer was told about a face: each trait of the face
part, the expression with lids and gaze, the pose. Who can read the width of an iris or the line of
a lid has features for them, and two crops that are alike in these features look alike. It is
trained in minutes and is not shipped.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from models.training.crops import TEMPLATES, Floats
from models.training.loop import run
from models.training.memory import keep_memory
from models.training.on_device import Pictures, best_device, errors_of, similarities
from models.training.pairs import CROPS, Indices, Store, scene_of
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
from models.training.swapper.data import TEMPLATE
from models.training.traits import trait_table
from models.training.wear import sample_wear

WIDTHS = {128: (24, 48, 96, 128), 256: (16, 24, 48, 96, 128)}
"""Channels at half, a quarter, ... of the side, down to 8 pixels."""


class Looks(nn.Module):
    """Crop to the numbers that its face was drawn from.

    Args:
        size: side of the crops.
        numbers: how many numbers.
    """

    def __init__(self, size: int, numbers: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = 3
        for width in WIDTHS[size]:
            stages.append(
                nn.Sequential(
                    nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                    nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                )
            )  # fmt: skip
            before = width
        self.stages = nn.ModuleList(stages)
        self.read = nn.Sequential(
            nn.Conv2d(before, 32, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, numbers)
        )

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps from the finest to 8 pixels; x is float32 (N, 3, S, S) RGB in [0, 1]."""
        found = []
        x = x * 2.0 - 1.0
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, S, S) RGB in [0, 1] to the numbers, standardised: float32 (N, T)."""
        out: Tensor = self.read(self.features(x)[-1])
        return out


def numbers_of(store: Store, indices: Indices) -> Floats:
    """What faces were drawn from, standardised over the pictures given: float32 (R, T)."""
    faces = store.plan.faces[indices]
    traits: Floats = trait_table(int(store.plan.faces.max()) + 1)[faces]
    scenes = [scene_of(store.plan, int(i), store.name) for i in indices]
    drawn = np.array([(*astuple(s.expression), *astuple(s.pose)) for s in scenes], np.float32)
    rest = (drawn - drawn.mean(axis=0)) / (drawn.std(axis=0) + 1e-6)
    found: Floats = np.concatenate([traits, rest], axis=1).astype(np.float32)
    return found


def frozen_looks(size: int) -> Looks:
    """The trained network, without gradients of its own.

    Raises:
        FileNotFoundError: none was trained for this size.
    """
    state = load_checkpoint(_path(size))
    if state is None:
        raise FileNotFoundError(f"train it first: scripts/train swapper.looks --size {size}")
    numbers = len(state["average"]["read.3.bias"])
    net = Looks(size, numbers)
    net.load_state_dict(state["average"])
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _path(size: int) -> Path:
    return data_folder() / f"looks-{size}.pt"


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options, self.device = options, best_device(options.device)
        self.pictures = Pictures(Store("train", crop=options.size), self.device)
        self.known = self.pictures.ready
        if len(self.known) == 0:
            raise SystemExit(
                f"nothing of the store 'train' is rendered at {options.size} pixels yet: "
                "scripts/train pairs train"
            )
        self.numbers = numbers_of(self.pictures.store, self.known)
        self.net = Looks(options.size, self.numbers.shape[1]).to(self.device)
        self.net = self.net.to(memory_format=torch.channels_last)
        self.average = Average(self.net, 0.99)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=options.rate)
        self.path = _path(options.size)
        self.step, used = take_up_state(self.path, self.net, self.average, self.optimiser)
        self.clock = Clock(options.minutes, options.steps, used)
        self.rng = np.random.default_rng((options.seed, 71, self.step))

    def _crops(self, places: Indices) -> Tensor:
        indices = self.known[places]
        landmarks: Floats = np.asarray(self.pictures.store.landmarks[indices])
        landmarks = landmarks + errors_of(landmarks, 0.025, self.rng)
        size = self.options.size
        matrices = similarities(landmarks, TEMPLATES[TEMPLATE] * size)
        crops, _ = self.pictures.crops(indices, matrices, size)
        wear = sample_wear(self.rng, len(crops), self.device, 0.4)
        return wear(crops, wear.field(crops)).contiguous(memory_format=torch.channels_last)

    def refresh(self) -> None:
        """Nothing: what is to be read was standardised over the pictures of the beginning."""

    def report(self, losses: dict[str, float], console: Console) -> None:
        """Write a line of the log."""
        log_line("looks", size=self.options.size, step=self.step, **losses)
        console.print({"step": self.step, **{k: round(v, 4) for k, v in losses.items()}})

    def advance(self) -> dict[str, float]:
        """One step; returns the share of the numbers' variance that is not explained."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.options.rate, warm=50)
        places = self.rng.integers(0, len(self.known), self.options.batch)
        goal = torch.from_numpy(self.numbers[places]).to(self.device)
        crops = self._crops(places)
        self.net.train()
        with quick_autocast(self.device):
            found = self.net(crops)
        loss = functional.smooth_l1_loss(found.float(), goal)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.average.update(self.net)
        self.step += 1
        if self.step % 10 and self.device.type == "cuda":
            return {}
        return {"error": float(((found.detach().float() - goal) ** 2).mean())}

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        keep_state(
            self.path, self.net, self.average, self.optimiser,
            step=self.step, used=self.clock.spent(),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--every", type=int, default=250, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_memory()
    torch.set_num_threads(options.threads)
    run(Run(options), options.every)


if __name__ == "__main__":
    main()
