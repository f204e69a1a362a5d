"""Views of faces for the recogniser: aligned as a detector would, and worn by the world."""

from __future__ import annotations

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models.training.crops import TEMPLATES, Floats, Pixels
from models.training.embedder.net import SIZE, Embedder
from models.training.on_device import Pictures, errors_of, similarities
from models.training.pairs import Indices
from models.training.wear import covered, for_some, sample_wear, some_unworn

TEMPLATE = "arcface_112_v2"
_MOST_ERROR = 0.035  # of landmarks (sd), in eye distances
_COVERED = 0.08
_WORN = 0.75
_BATCH = 256


def to_input(crop: Pixels) -> Tensor:
    """uint8 (112, 112, 3) BGR to float32 (3, 112, 112) RGB in [-1, 1]."""
    rgb = np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float().div_(127.5).sub_(1.0)


def aligned(pictures: Pictures, indices: Indices, rng: np.random.Generator) -> Tensor:
    """Crops with landmarks as a detector finds them, float32 (B, 3, 112, 112) RGB in [0, 1]."""
    landmarks: Floats = np.asarray(pictures.store.landmarks[indices])
    landmarks = landmarks + errors_of(landmarks, _MOST_ERROR, rng)
    matrices = similarities(landmarks, TEMPLATES[TEMPLATE] * SIZE)
    return pictures.crops(indices, matrices, SIZE)[0]


def worn(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Crops as cameras and what stands before a face leave them; the argument stays as it is."""
    chosen = torch.from_numpy(rng.random(len(crops)) < _COVERED).to(crops.device)
    crops = for_some(chosen, crops.clone(), lambda some, _: covered(some, rng))
    unworn = torch.from_numpy(rng.random(len(crops)) >= _WORN).to(crops.device)
    wear = some_unworn(sample_wear(rng, len(crops), crops.device, 0.7), unworn)
    return wear(crops, wear.field(crops))


def as_input(crops: Tensor) -> Tensor:
    """Crops in [0, 1] to what the network takes, in [-1, 1]."""
    return (crops * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def embedded(net: Embedder, pictures: Pictures, indices: Indices, version: int) -> Floats:
    """Embeddings of some pictures, float32 (R, 512); version 0 is unworn."""
    rng = np.random.default_rng((version, 31, len(indices)))
    parts = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    out = []
    for part in track(parts, f"embedding {pictures.store.name}, version {version}"):
        crops = aligned(pictures, part, rng)
        crops = worn(crops, rng) if version else crops
        out.append(net(as_input(crops)).float().cpu().numpy())
    return np.concatenate(out)
