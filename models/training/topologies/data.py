"""Pairs for any topology: cut at its size, to its template, from the rendered store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from edge.faces.templates import TEMPLATE_POINTS
from models.training.crops import Floats, jittered, similarity, warp
from models.training.pairs import Indices, Store
from models.training.swapper.data import changed_region, to_unit
from models.training.swapper.sources import Sources

HELD = 2000
"""Pictures at the store's end that no topology learns from."""


def sources_of(store: Store) -> Sources:
    """The embeddings that the swapper's training has made, read from disk as they are needed."""
    bank = np.load(store.folder / "bank.npy", mmap_mode="r")
    ready = store.ready()
    known = np.abs(bank[0, ready]).sum(axis=1) > 0
    return Sources(store, bank, ready[known])


class Pairs:
    """Draws batches; one thread is enough beside networks of this size.

    Args:
        store: rendered pictures.
        sources: their embeddings.
        template: name of the template that crops are aligned to.
        size: side of a crop in pixels.
    """

    def __init__(self, store: Store, sources: Sources, template: str, size: int) -> None:
        self.store = store
        self.sources = sources
        self.points = np.array(TEMPLATE_POINTS[template], np.float32) * size
        self.size = size
        self.seen, self.held = sources.indices[:-HELD], sources.indices[-HELD:]

    def pair(self, first: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """One target, its exact ground truth, where they differ, and the source's embedding."""
        group = self.store.plan.group
        second = first // group * group + (first + int(rng.integers(1, group))) % group
        landmarks = jittered(self.store.landmarks[first], 0.015, rng)
        matrix = similarity(landmarks, self.points)
        target, truth = (warp(self.store.pictures[i], matrix, self.size) for i in (first, second))
        seen = [warp(self.store.masks[i], matrix, self.size) for i in (first, second)]
        region = changed_region(target, truth, np.maximum(*seen))
        face = self.store.plan.faces[[second]]
        source: Floats = self.sources.draw(face, rng, np.array([second // group]))[0]
        return {
            "target": to_unit(target),
            "truth": to_unit(truth),
            "region": torch.from_numpy(region)[None].float().div_(255.0),
            "source": torch.from_numpy(source),
        }

    def batch(self, indices: Indices, rng: np.random.Generator) -> dict[str, Tensor]:
        """Pairs of the given targets, stacked."""
        pairs = [self.pair(int(i), rng) for i in indices]
        return {key: torch.stack([pair[key] for pair in pairs]) for key in pairs[0]}

    def batches(self, size: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Batches without an end."""
        rng = np.random.default_rng((seed, 41))
        while True:
            yield self.batch(rng.choice(self.seen, size, replace=False), rng)
