"""Training samples of the swapper: a target, its exact ground truth, and the source's embedding."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.training.crops import Floats, Pixels, crop_matrix, jittered, warp
from models.training.pairs import Indices, Store
from models.training.photometric import sample_photometric
from models.training.swapper.net import LENGTH, SIZE
from models.training.traits import trait_table

TEMPLATE = "arcface_128"
SELF_SWAPS = 0.1
_KERNEL = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


def to_unit(crop: Pixels) -> Tensor:
    """uint8 (S, S, 3) BGR to float32 (3, S, S) RGB in [0, 1]."""
    rgb = np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float().div_(255.0)


def from_unit(picture: Floats) -> Pixels:
    """float32 (3, S, S) RGB in [0, 1] to uint8 (S, S, 3) BGR."""
    scaled = np.clip(picture * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(scaled[::-1].transpose(1, 2, 0))


def unit(vector: Floats) -> Floats:
    """The vector at length one, float32."""
    out: Floats = (vector / np.linalg.norm(vector)).astype(np.float32)
    return out


def changed_region(target: Pixels, truth: Pixels, seen: Pixels) -> Pixels:
    """Where a swap may paint, uint8 (S, S) in 0..255: the two faces and whatever else differs.

    A wide chin that becomes a narrow one uncovers neck and background: they differ although
    neither is face.
    """
    differs = cv2.absdiff(target, truth).max(axis=2) > 5
    differs = cv2.morphologyEx(differs.astype(np.uint8) * 255, cv2.MORPH_OPEN, np.ones((2, 2)))
    region = cv2.dilate(np.maximum(seen, differs), _KERNEL)
    return cv2.GaussianBlur(region, (0, 0), 1.2).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Pair:
    """Crops of one swap, each uint8: (S, S, 3) BGR pictures, (S, S) masks in 0..255."""

    target: Pixels
    truth: Pixels
    face: Pixels
    region: Pixels


def cut_pair(store: Store, first: int, second: int, matrix: Floats) -> Pair:
    """Cut target and ground truth by one warp: a swap never moves the crop."""
    target = warp(store.pictures[first], matrix, SIZE)
    truth = warp(store.pictures[second], matrix, SIZE)
    face = warp(store.masks[second], matrix, SIZE)
    seen = np.maximum(face, warp(store.masks[first], matrix, SIZE))
    return Pair(target, truth, face, changed_region(target, truth, seen))


class Sources:
    """Embeddings of a store's pictures, grouped by face part.

    Args:
        store: the pictures.
        bank: float32 (V, N, 512) unit embeddings of V versions of each picture.
        indices: the pictures that have one.
    """

    def __init__(self, store: Store, bank: Floats, indices: Indices) -> None:
        self.bank = bank
        self.indices = indices
        self.faces = store.plan.faces
        self.group = store.plan.group
        order = indices[np.argsort(self.faces[indices], kind="stable")]
        names, starts = np.unique(self.faces[order], return_index=True)
        parts = np.split(order, starts[1:])
        self.views = dict(zip(names.tolist(), parts, strict=True))
        self.centres = {name: self._mean(part) for name, part in self.views.items()}

    def _mean(self, part: Indices) -> Floats:
        mean = self.bank[0, part].mean(axis=0)
        return unit(mean)

    def draw(self, truth: int, rng: np.random.Generator) -> Floats:
        """A source embedding as enrolment makes it: one to four photos of other scenes."""
        views = self.views[int(self.faces[truth])]
        views = views[views // self.group != truth // self.group]
        if not len(views):
            views = np.array([truth])
        chosen = rng.choice(views, min(len(views), int(rng.integers(1, 5))), replace=False)
        version = rng.integers(0, len(self.bank), len(chosen))
        mean = self.bank[version, chosen].mean(axis=0)
        return unit(mean)


class TraitSources:
    """Sources that say a face part's traits outright, in the place of an embedding.

    A swapper can learn from them while the recogniser is still learning; `adopt` then turns its
    first layer over to embeddings. There is no `centre` to be near to.
    """

    def __init__(self, store: Store, indices: Indices) -> None:
        self.faces = store.plan.faces
        self.indices = indices
        table = trait_table(int(self.faces.max()) + 1)
        self.table = np.zeros((len(table), LENGTH), np.float32)
        self.table[:, : table.shape[1]] = table / LENGTH**0.5
        nowhere = np.zeros(LENGTH, np.float32)
        self.centres = dict.fromkeys(range(len(table)), nowhere)

    def draw(self, truth: int, rng: np.random.Generator) -> Floats:
        """The traits of a picture's face part, float32 (512,), padded with noughts."""
        row: Floats = self.table[self.faces[truth]]
        return row


class Swaps(Dataset[dict[str, Tensor]]):
    """Pairs from the groups that a store has ready; one epoch takes each picture as target once."""

    def __init__(
        self, store: Store, sources: Sources | TraitSources, indices: Indices, seed: int
    ) -> None:
        self.store = store
        self.sources = sources
        self.indices = indices
        self.seed = seed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        first = int(self.indices[item])
        rng = np.random.default_rng((self.seed, first))
        group = self.store.plan.group
        step = 0 if rng.random() < SELF_SWAPS else int(rng.integers(1, group))
        second = first // group * group + (first + step) % group
        landmarks = jittered(self.store.landmarks[first], rng.uniform(0.0, 0.025), rng)
        pair = cut_pair(self.store, first, second, crop_matrix(landmarks, TEMPLATE, SIZE))
        target, truth = pair.target, pair.truth
        if rng.random() < 0.8:
            change = sample_photometric(rng, 0.6)
            target, truth = change(target), change(truth)
        face = int(self.store.plan.faces[second])
        return {
            "target": to_unit(target),
            "truth": to_unit(truth),
            "face": torch.from_numpy(pair.face)[None].float().div_(255.0),
            "region": torch.from_numpy(pair.region)[None].float().div_(255.0),
            "source": torch.from_numpy(self.sources.draw(second, rng)),
            "centre": torch.from_numpy(self.sources.centres[face]),
        }
