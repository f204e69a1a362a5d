"""Crops of a swap: a target, its exact ground truth, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.crops import Floats, Pixels, warp
from models.training.pairs import Store

TEMPLATE = "arcface_128"
_DIFFERS = 5.5 / 255.0
"""Steps of 8 bits from which a pixel counts as changed: rounding alone makes one or two."""


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


def where_changed(target: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
    """Where swaps may paint, float32 (B, 1, S, S): the two faces and whatever else differs.

    A wide chin that becomes a narrow one uncovers neck and background: they differ although
    neither is face. Single pixels that differ are noise.

    Args:
        target: float32 (B, 3, S, S) in [0, 1].
        truth: the same.
        seen: float32 (B, 1, S, S), where either face is seen.
    """
    scale = max(1, round(target.shape[-1] / 128))
    pool = functional.max_pool2d
    differs = ((target - truth).abs().amax(1, keepdim=True) > _DIFFERS).float()
    opened = pool(functional.pad(-pool(-differs, 2, 1), (1, 1, 1, 1)), 2, 1)
    region = torch.maximum(seen, opened)
    for _ in range(scale):  # a disc of 5 pixels
        wide, high = pool(region, (3, 5), 1, (1, 2)), pool(region, (5, 1), 1, (2, 0))
        region = torch.maximum(wide, high)
    sd = 1.2 * scale
    reach = round(3 * sd)
    steps = torch.arange(-reach, reach + 1, device=target.device, dtype=torch.float32)
    kernel = torch.exp(-(steps**2) / (2 * sd**2))
    kernel = (kernel / kernel.sum())[None, None]
    region = functional.pad(region, (reach,) * 4, mode="replicate")
    region = functional.conv2d(region, kernel[:, :, None])
    return functional.conv2d(region, kernel[..., None]).clamp(0.0, 1.0)


def changed_region(target: Pixels, truth: Pixels, seen: Pixels) -> Pixels:
    """`where_changed` of one pair, uint8 (S, S, 3) BGR and (S, S); uint8 (S, S) in 0..255."""
    mask = torch.from_numpy(seen)[None, None].float().div_(255.0)
    found = where_changed(to_unit(target)[None], to_unit(truth)[None], mask)
    region: Pixels = found[0, 0].mul(255.0).round().byte().numpy()
    return region


@dataclass(frozen=True, slots=True)
class Pair:
    """Crops of one swap, each uint8: (S, S, 3) BGR pictures, (S, S) masks in 0..255."""

    target: Pixels
    truth: Pixels
    face: Pixels
    region: Pixels


def cut_pair(store: Store, first: int, second: int, matrix: Floats) -> Pair:
    """Cut target and ground truth by one warp: a swap never moves the crop."""
    size = store.crop
    target = warp(store.pictures[first], matrix, size)
    truth = warp(store.pictures[second], matrix, size)
    face = warp(store.masks[second], matrix, size)
    seen = np.maximum(face, warp(store.masks[first], matrix, size))
    return Pair(target, truth, face, changed_region(target, truth, seen))
