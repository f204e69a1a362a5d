"""Train the recogniser: CosFace over face parts, one-cycle by wall-clock, resumable.

Run `scripts/train embedder.train --minutes 18`. It runs on a GPU where there is one, and learns
from what `pairs` has rendered of the stores `train` and `people`, also from what is rendered
meanwhile. Ctrl-C stops it after a step; the same command goes on. `--start-from` takes up what an
earlier run of fewer people has learnt, and `--shipped` the weights that are in the repository.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from models.training.crops import Floats
from models.training.embedder.data import aligned, as_input, embedded, worn
from models.training.embedder.evaluate import verification
from models.training.embedder.net import (
    CHECKPOINT,
    LENGTH,
    Embedder,
    of_state,
    unweighed,
    widened,
)
from models.training.linear import fitted
from models.training.loop import run
from models.training.memory import keep_memory
from models.training.on_device import Pictures, best_device
from models.training.pairs import Indices, Store
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
from models.training.traits import ASYMMETRY, trait_table
from models.training.wear import for_some

_AT_ONCE = 32  # crops that a CPU cuts and wears while its cache holds them
_MIRRORED = 0.5  # share of the crops
TRAITS = 20.0  # weight of reading the traits beside telling the faces apart


def stores(device: torch.device) -> list[Pictures]:
    """What has been rendered for the recogniser: the swapper's people, and more of them and others.

    Raises:
        FileNotFoundError: there is nothing yet.
    """
    found = [Pictures(Store("train"), device)]
    for name in ("people", "motion"):
        with suppress(FileNotFoundError):
            found.append(Pictures(Store(name), device))
    if not any(len(pictures.ready) for pictures in found):
        raise FileNotFoundError("there are no pictures to learn from: scripts/train pairs train")
    return found


def _pooled(path: Path) -> int:
    """How many numbers an exported recogniser pools its last feature map into."""
    weights = onnx.load(path, load_external_data=False).graph.initializer
    return next(int(weight.dims[1]) for weight in weights if weight.name == "project.weight")


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

    def wanted(self, label: Tensor, mirrored: Tensor) -> Tensor:
        """The traits of some people, or of their mirror images: float32 (B, T)."""
        traits = self.table[label]
        traits[mirrored, ASYMMETRY] *= -1  # the only one that has a side, and 0 on average
        return traits

    def forward(self, embedding: Tensor, label: Tensor, mirrored: Tensor) -> Tensor:
        read = self.read(embedding * LENGTH**0.5)
        return functional.smooth_l1_loss(read, self.wanted(label, mirrored))

    @torch.no_grad()
    def begin(self, label: Indices, embedding: Tensor) -> None:
        """Begin as the linear reader that errs least, in squares, on some embeddings.

        Args:
            label: int64 (N,) whose they are.
            embedding: float32 (N, 512) of unit length.
        """
        wanted = self.table[torch.from_numpy(label)]
        weight, bias = fitted(embedding * LENGTH**0.5, wanted)
        self.read.weight.copy_(weight)
        self.read.bias.copy_(bias)


class Run:
    """The state of one training run."""

    def __init__(self, options: argparse.Namespace) -> None:
        seeded(options.seed)
        self.options, self.device = options, best_device(options.device)
        self.stores = stores(self.device)
        people = max(int(pictures.store.plan.faces.max()) for pictures in self.stores) + 1
        self.net = Embedder().to(self.device, memory_format=torch.channels_last)
        self.classes = CosFace(people).to(self.device)
        self.traits = Traits(len(self.classes.centres)).to(self.device)
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
        self.path = data_folder() / CHECKPOINT
        resumes = self.path.exists() and not options.fresh
        if options.start_from is not None:
            self._start_from(options.start_from)
        elif options.shipped and not resumes:
            self._begin_with_shipped()
        used = self._resume() if resumes else 0.0
        self.clock = Clock(options.minutes, options.steps, used)
        self.rng = np.random.default_rng((options.seed, 81, self.step))

    def _start_from(self, path: Path) -> None:
        """Take over a network and its reader of traits, and meet the people with it."""
        state = load_checkpoint(path)
        if state is None:
            raise SystemExit(f"there is no {path}")
        widened(self.net, unweighed(of_state(state["average"])))
        self.traits.load_state_dict(state["traits"])
        self._meet()

    def _begin_with_shipped(self) -> None:
        """Take over the shipped network, meet the people with it, and read their traits.

        An exported file has no reader of traits: the best linear one of what is met is worked out.
        """
        rng = np.random.default_rng((self.options.seed, 82))
        pictures = self.stores[0]
        batches = (
            as_input(worn(aligned(pictures, rng.choice(pictures.ready, 256), rng), rng))
            for _ in range(TO_MEASURE)
        )
        path = WEIGHTS / "ref_embedder.onnx"
        shipped = Embedder(_pooled(path))
        take_over(shipped, path, batches, added=("weigh",))
        widened(self.net, shipped)
        faces, vectors = self._meet()
        self.traits.begin(faces, torch.from_numpy(vectors).to(self.device))

    def _meet(self) -> tuple[Indices, Floats]:
        """Let every person's centre begin at one of their pictures; whose, and which centres."""
        self.average = Average(self.net, 0.998)
        self.net.eval()
        whose, vectors = [], []
        for pictures in self.stores:
            faces = pictures.store.plan.faces[pictures.ready]
            known, first = np.unique(faces, return_index=True)
            whose.append(known)
            vectors.append(embedded(self.net, pictures, pictures.ready[first], 0))
        faces, found = np.concatenate(whose), np.concatenate(vectors)
        with torch.no_grad():
            self.classes.centres[faces] = torch.from_numpy(found).to(self.device)
        return faces, found

    def _resume(self) -> float:
        state = load_checkpoint(self.path)
        if state is None:
            return 0.0
        known, there = len(state["classes"]["centres"]), len(self.classes.centres)
        if known != there:
            raise SystemExit(
                f"{self.path} knows {known} people, and {there} are rendered: move it elsewhere, "
                "and name it with --start-from"
            )
        self.net.load_state_dict(state["net"])
        self.classes.load_state_dict(state["classes"])
        self.traits.load_state_dict(state["traits"])
        self.average.net.load_state_dict(state["average"])
        unweighed(self.average.net)
        self.average.steps = self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
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
            used=self.clock.spent(),
        )

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Worn crops for the network, whose they are, and which are mirrored.

        A mirror image is of another person, who differs in no trait but the asymmetry: twice as
        many people for nothing.

        Returns:
            float32 (B, 3, 112, 112), int64 (B,) and bool (B,).
        """
        ready = np.array([len(pictures.ready) for pictures in self.stores])
        counts = self.rng.multinomial(self.options.batch, ready / ready.sum())
        crops, whose = [], []
        for pictures, count in zip(self.stores, counts.tolist(), strict=True):
            indices = self.rng.choice(pictures.ready, count)
            some = _AT_ONCE if self.device.type == "cpu" else max(count, 1)
            for start in range(0, count, some):
                part = indices[start : start + some]
                crops.append(worn(aligned(pictures, part, self.rng), self.rng))
                whose.append(pictures.store.plan.faces[part])
        mirrored = torch.from_numpy(self.rng.random(self.options.batch) < _MIRRORED)
        mirrored = mirrored.to(self.device)
        every = for_some(mirrored, torch.cat(crops), lambda some, _: some.flip(3))
        return (
            as_input(every),
            torch.from_numpy(np.concatenate(whose)).to(self.device),
            mirrored,
        )

    def advance(self) -> dict[str, float]:
        """Draw a batch and learn from it."""
        return self.learn(*self.draw())

    def refresh(self) -> None:
        """Take in what has been rendered since."""
        for pictures in self.stores:
            pictures.refresh()

    def learn(self, crops: Tensor, labels: Tensor, mirrored: Tensor) -> dict[str, float]:
        """One step; returns the losses of classes and traits where they cost no waiting."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step, self.options.rate)
        # The margin comes in slowly: at full size from the start it only slows a cold network.
        margin = 0.25 * min(1.0, self.clock.progress(self.step) / 0.6)
        self.net.train()
        with quick_autocast(self.device):
            embedding = self.net(crops)
        embedding = embedding.float()
        loss = self.classes(embedding[~mirrored], labels[~mirrored], margin)
        traits = self.traits(embedding, labels, mirrored)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + TRAITS * traits).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.average.update(self.net)
        self.step += 1
        if self.step % 10 and self.device.type == "cuda":
            return {}
        return {"loss": float(loss.item()), "traits": float(traits.item())}

    def report(self, losses: dict[str, float], console: Console) -> None:
        """Judge the averaged weights on some held-out people, and write a line of the log."""
        values: dict[str, Any] = {
            "step": self.step,
            "minutes": self.clock.spent() / 60,
            "pictures": sum(len(pictures.ready) for pictures in self.stores),
            **losses,
            **verification(self.average.net, identities=80),
        }
        log_line("embedder", **values)
        console.print({k: round(v, 4) for k, v in values.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=18.0)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--every", type=int, default=200, help="steps between two reports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start-from", type=Path, help="checkpoint of a run of fewer people")
    parser.add_argument(
        "--shipped", action="store_true",
        help="begin with the shipped weights where there is no checkpoint",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    options = parser.parse_args()
    keep_memory()
    torch.set_num_threads(options.threads)
    run(Run(options), options.every)


if __name__ == "__main__":
    main()
