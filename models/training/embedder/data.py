"""Views of faces for the recogniser: aligned as a detector would, and worn by the world."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.training.crops import Pixels, crop_matrix, jittered, warp
from models.training.embedder.net import SIZE
from models.training.pairs import Indices, Store
from models.training.photometric import occluded, sample_photometric

TEMPLATE = "arcface_112_v2"


def to_input(crop: Pixels) -> Tensor:
    """uint8 (112, 112, 3) BGR to float32 (3, 112, 112) RGB in [-1, 1]."""
    rgb = np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float().div_(127.5).sub_(1.0)


def view(store: Store, index: int, rng: np.random.Generator, hard: bool) -> Pixels:
    """One aligned crop of a stored picture, uint8 (112, 112, 3) BGR.

    Args:
        store: rendered pictures.
        index: which of them.
        rng: source of all chance.
        hard: wear the crop by light, lens and occlusion; otherwise only the landmarks are off.
    """
    landmarks = jittered(store.landmarks[index], rng.uniform(0.0, 0.035), rng)
    crop = warp(store.pictures[index], crop_matrix(landmarks, TEMPLATE, SIZE), SIZE)
    if hard:
        if rng.random() < 0.08:
            crop = occluded(crop, rng)
        if rng.random() < 0.75:
            crop = sample_photometric(rng, 0.7)(crop)
    return crop


class Views(Dataset[tuple[Tensor, int]]):
    """Training views of what a store has ready; the label is the face part."""

    def __init__(self, store: Store, indices: Indices, seed: int) -> None:
        self.store = store
        self.indices = indices
        self.seed = seed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> tuple[Tensor, int]:
        index = int(self.indices[item])
        rng = np.random.default_rng((self.seed, index))
        crop = view(self.store, index, rng, hard=True)
        return to_input(crop), int(self.store.plan.faces[index])
