"""Aligned crops of a store, cut in batches where the network is: on a GPU, or on the CPU.

A GPU takes more crops in a second than sixteen processor cores can cut, so the pictures themselves
lie in its memory, as many as have been rendered, and are cut there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.training.crops import Floats
from models.training.pairs import Indices, Store

Doubles = npt.NDArray[np.float64]

_AT_ONCE = 1024  # pictures that are taken to the device in one go
_OF_MEMORY = 0.6  # share of a GPU's free memory that pictures may take


def best_device(name: str = "auto") -> torch.device:
    """The device of a name; "auto" is CUDA where there is one, and else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    return device


class Pictures:
    """What a store has ready, within reach of a device.

    Attributes:
        store: the pictures on disk.
        ready: int64 (R,) those that can be taken; grows with `refresh`.
    """

    def __init__(self, store: Store, device: torch.device) -> None:
        self.store, self.device = store, device
        self.ready: Indices = np.zeros(0, np.int64)
        self._held: tuple[Tensor, Tensor] | None = None
        count, side = len(store.done), store.side
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if count * side * side * 4 < free * _OF_MEMORY:
                self._held = (
                    torch.empty((count, side, side, 3), dtype=torch.uint8, device=device),
                    torch.empty((count, side, side), dtype=torch.uint8, device=device),
                )
        self.refresh()

    def refresh(self) -> Indices:
        """Take in what has been rendered since, and return it."""
        ready = self.store.ready()
        fresh = np.setdiff1d(ready, self.ready, assume_unique=True)
        if self._held is not None:
            for start in range(0, len(fresh), _AT_ONCE):
                some = fresh[start : start + _AT_ONCE]
                at = torch.from_numpy(some).to(self.device)
                for held, own in zip(self._held, self._from_disk(some), strict=True):
                    held[at] = own.to(self.device)
        self.ready = ready
        return fresh

    def _from_disk(self, indices: Indices) -> tuple[Tensor, Tensor]:
        store = self.store
        return torch.from_numpy(store.pictures[indices]), torch.from_numpy(store.masks[indices])

    def take(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """Pictures uint8 (B, S, S, 3) BGR and masks uint8 (B, S, S), on the device."""
        if self._held is None:
            pictures, masks = self._from_disk(indices)
            return pictures.to(self.device), masks.to(self.device)
        at = torch.from_numpy(indices).to(self.device)
        return self._held[0][at], self._held[1][at]

    def crops(self, indices: Indices, matrices: Floats, size: int) -> tuple[Tensor, Tensor]:
        """Cut aligned crops.

        Args:
            indices: int64 (B,) which pictures.
            matrices: float32 (B, 2, 3) from each picture to its crop.
            size: side of the crops.

        Returns:
            float32 (B, 3, size, size) RGB in [0, 1], and the face's mask (B, 1, size, size).
        """
        pictures, masks = self.take(indices)
        grid = sampling_grid(matrices, size, self.store.side, self.device)
        rgb = pictures.flip(3).permute(0, 3, 1, 2)
        both = torch.cat([rgb, masks[:, None]], dim=1).float().div_(255.0)
        cut = functional.grid_sample(both, grid, padding_mode="border", align_corners=True)
        return cut[:, :3], cut[:, 3:]


def similarities(points: Floats, goal: Floats) -> Floats:
    """`crops.similarity` for many: points float32 (B, 5, 2), goal (5, 2); float32 (B, 2, 3)."""
    start = points[..., 0].astype(np.float64) + 1j * points[..., 1]
    end = goal[:, 0].astype(np.float64) + 1j * goal[:, 1]
    middle = start.mean(axis=1, keepdims=True)
    centred = start - middle
    power = (np.abs(centred) ** 2).sum(axis=1)
    turn = (centred.conj() * (end - end.mean())).sum(axis=1) / np.maximum(power, 1e-12)
    shift = end.mean() - turn * middle[:, 0]
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.moveaxis(np.array(rows), 2, 0).astype(np.float32)


def eye_distances(points: Floats) -> Floats:
    """`crops.jittered`'s distance for many: points float32 (B, 5, 2); float32 (B,)."""
    gap = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    height = np.linalg.norm(points[:, :2].mean(axis=1) - points[:, 3:].mean(axis=1), axis=1)
    found: Floats = np.maximum(gap, 0.9 * height).astype(np.float32)
    return found


def errors_of(landmarks: Floats, most: float, rng: np.random.Generator) -> Floats:
    """Errors as a detector makes them, some faces' larger than others', float32 (B, 5, 2).

    Args:
        landmarks: float32 (B, 5, 2).
        most: largest sd of a face's errors, in eye distances.
        rng: source of all chance.
    """
    spread = eye_distances(landmarks) * rng.uniform(0.0, most, len(landmarks))
    errors = rng.standard_normal(landmarks.shape) * spread[:, None, None]
    return errors.astype(np.float32)


def sampling_grid(matrices: Floats, size: int, side: int, device: torch.device) -> Tensor:
    """Where each pixel of a crop comes from, as `grid_sample` wants it: (B, size, size, 2).

    It is made on the device: for a large batch it is more than the pictures that are cut.

    Args:
        matrices: float32 (B, 2, 3) similarities from picture to crop.
        size: side of the crop.
        side: side of the picture.
        device: where it is made.
    """
    turn = matrices[:, 0, 0].astype(np.float64) + 1j * matrices[:, 1, 0]
    shift = matrices[:, 0, 2].astype(np.float64) + 1j * matrices[:, 1, 2]
    back = 1.0 / turn
    start = -shift * back
    numbers = np.stack([back.real, back.imag, start.real, start.imag]).astype(np.float32)
    wide, high, left, top = torch.from_numpy(numbers).to(device)[..., None, None]
    steps = torch.arange(size, device=device, dtype=torch.float32)
    ys, xs = steps[None, :, None], steps[None, None, :]
    places = torch.stack([wide * xs - high * ys + left, high * xs + wide * ys + top], dim=-1)
    return places / ((side - 1) / 2) - 1.0
