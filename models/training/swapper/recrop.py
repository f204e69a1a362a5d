"""What other networks see of a swapper's crop: the recogniser, and the landmarker."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.crops import TEMPLATES, Floats, similarity
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.landmarker.crops import POINTS
from models.training.landmarker.net import SIZE as LANDMARKER_SIZE
from models.training.landmarker.net import Landmarker
from models.training.runs import WEIGHTS
from models.training.shipped import take_over
from models.training.swapper.data import TEMPLATE

_SEEN = 128  # side of the crop that the others' are cut from


class Recrop(nn.Module):
    """The fixed, differentiable warp from the swapper's crop to another aligned one.

    Args:
        points: float32 (5, 2), where the five landmarks lie in the other, in crop sides.
        size: side of the other in pixels.
    """

    def __init__(self, points: Floats, size: int) -> None:
        super().__init__()
        # grid_sample asks where each output pixel comes from: the inverse warp, in [-1, 1].
        inverse = similarity(points * size, TEMPLATES[TEMPLATE] * _SEEN)
        ys, xs = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        places = torch.stack([xs, ys, torch.ones_like(xs)], dim=-1).float()
        places = places @ torch.from_numpy(inverse).T
        self.grid: Tensor
        self.register_buffer("grid", (places / ((_SEEN - 1) / 2) - 1.0)[None], persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """float32 (N, 3, S, S) in [0, 1] -> float32 (N, 3, size, size) in [-1, 1]."""
        if picture.shape[-1] > _SEEN:
            picture = functional.avg_pool2d(picture, picture.shape[-1] // _SEEN)
        grid = self.grid.expand(len(picture), -1, -1, -1)
        cut = functional.grid_sample(picture, grid, padding_mode="border", align_corners=True)
        return (cut * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)


def to_embedder() -> Recrop:
    """The warp to the recogniser's crop, float32 (N, 3, 112, 112)."""
    return Recrop(TEMPLATES[EMBEDDER_TEMPLATE], EMBEDDER_SIZE)


class Places(nn.Module):
    """Where a landmarker sees the five points in a swapper's crop.

    Args:
        landmarker: frozen.
    """

    def __init__(self, landmarker: Landmarker) -> None:
        super().__init__()
        self.landmarker, self.cut = landmarker, Recrop(POINTS, LANDMARKER_SIZE)

    def forward(self, picture: Tensor) -> Tensor:
        """float32 (N, 3, S, S) RGB in [0, 1] -> float32 (N, 5, 2) in sides of its own crop."""
        points, _ = self.landmarker.look(self.cut(picture))
        return points.reshape(-1, 5, 2)


def moved(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance of five points from others, in those' `on_device.eye_distances`: float32 (N,).

    Args:
        found: float32 (N, 5, 2).
        wanted: float32 (N, 5, 2). The eyes of a turned head come close to each other: 0.9 of the
            way from eyes to mouth stands in for their distance where that is more.
    """
    gap = (wanted[:, 1] - wanted[:, 0]).norm(dim=1)
    height = (wanted[:, :2].mean(dim=1) - wanted[:, 3:].mean(dim=1)).norm(dim=1)
    reach = torch.maximum(gap, 0.9 * height).clamp(min=1e-3)
    return (found - wanted).norm(dim=2).mean(dim=1) / reach


@lru_cache(maxsize=1)
def _shipped() -> Landmarker:
    net = Landmarker()
    anything = torch.zeros(1, 3, LANDMARKER_SIZE, LANDMARKER_SIZE)  # no norm is left to measure for
    take_over(net, WEIGHTS / "ref_landmarker.onnx", [anything])
    return net.eval().requires_grad_(False)


def shipped_places() -> Places:
    """The shipped landmarker's eyes."""
    return Places(_shipped())
