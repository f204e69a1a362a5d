"""What a swap is judged by in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training import crops
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.embedder.net import Embedder
from models.training.swapper.data import TEMPLATE
from models.training.swapper.net import SIZE


class ToEmbedder(nn.Module):
    """The fixed, differentiable warp from the swapper's crop to the recogniser's."""

    def __init__(self) -> None:
        super().__init__()
        # grid_sample asks where each output pixel comes from: the inverse warp, in [-1, 1].
        inverse = crops.between(EMBEDDER_TEMPLATE, EMBEDDER_SIZE, TEMPLATE, SIZE)
        ys, xs = torch.meshgrid(
            torch.arange(EMBEDDER_SIZE), torch.arange(EMBEDDER_SIZE), indexing="ij"
        )
        places = torch.stack([xs, ys, torch.ones_like(xs)], dim=-1).float()
        places = places @ torch.from_numpy(inverse).T
        self.grid: Tensor
        self.register_buffer("grid", (places / ((SIZE - 1) / 2) - 1.0)[None], persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """float32 (N, 3, 128, 128) in [0, 1] -> float32 (N, 3, 112, 112) in [-1, 1]."""
        grid = self.grid.expand(len(picture), -1, -1, -1)
        cut = functional.grid_sample(picture, grid, padding_mode="border", align_corners=True)
        return (cut * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Weights:
    """How much each term counts."""

    colour: float = 4.0
    edges: float = 6.0
    coarse: float = 2.0
    features: float = 0.5
    alike: float = 1.0
    identity: float = 1.0
    mask: float = 0.3


def _mean_in(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / (weight.sum() * value.shape[1] + 1e-6)


def _edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., :, 1:] - picture[..., :, :-1], picture[..., 1:, :] - picture[..., :-1, :]


def focus_map() -> Tensor:
    """Eyes and mouth count for more than cheeks: (1, 1, 128, 128), from 1 to 2.5.

    They are few pixels and much of what a viewer looks at; the template says where they lie.
    """
    ys, xs = np.mgrid[:SIZE, :SIZE]
    eyes_and_mouth = crops.TEMPLATES[TEMPLATE] * SIZE
    focus = np.ones((SIZE, SIZE), np.float32)
    for (x, y), more in zip(eyes_and_mouth, (1.5, 1.5, 0.0, 0.7, 0.7), strict=True):
        focus += more * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 9.0**2))
    return torch.from_numpy(focus.astype(np.float32))[None, None]


class SwapLoss(nn.Module):
    """The terms of the loss, against the exact ground truth.

    1. colour: absolute error of pixels, and on a quarter-size picture (coarse), in the face.
    2. edges: on differences of neighbours, which keeps lids, lips and brows crisp.
    3. features, alike: the recogniser's feature maps and embedding of output and truth.
    4. identity: the output is to be as near to the source as the ground truth is, not nearer; a
       plain cosine pull past that point only breeds patterns that please the recogniser.
    5. mask: cross-entropy against where target and truth differ.
    """

    def __init__(self, embedder: Embedder, weights: Weights | None = None) -> None:
        super().__init__()
        self.embedder = embedder
        self.cut = ToEmbedder()
        self.weights = weights or Weights()
        self.focus: Tensor
        self.register_buffer("focus", focus_map(), persistent=False)

    def _seen(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = self.embedder.features(self.cut(picture))
            return maps, self.embedder.head(maps[-1]).float()

    def forward(
        self, output: Tensor, mask_logits: Tensor, batch: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss and its unweighted terms; `output` is float32 (N, 3, 128, 128) in [0, 1]."""
        truth, region = batch["truth"], batch["region"]
        weight = 0.1 + (region + batch["face"]) * self.focus
        error = output - truth
        terms = {"colour": _mean_in(error.abs(), weight)}
        small = functional.avg_pool2d(error, 4)
        terms["coarse"] = _mean_in(small.abs(), functional.avg_pool2d(weight, 4))
        across, down = _edges(error)
        terms["edges"] = _mean_in(across.abs(), weight[..., :, 1:]) + _mean_in(
            down.abs(), weight[..., 1:, :]
        )
        # Half of the batch is enough for the recogniser, which costs as much as the swapper.
        half = (len(output) + 1) // 2
        maps, embedding = self._seen(output[:half])
        with torch.no_grad():
            true_maps, true_embedding = self._seen(truth[:half])
        terms["features"] = torch.stack(
            [
                (a.float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-3)
                for a, b in zip(maps[:3], true_maps[:3], strict=True)
            ]
        ).mean()
        terms["alike"] = 1.0 - (embedding * true_embedding).sum(dim=1).mean()
        goal = (true_embedding * batch["centre"][:half]).sum(dim=1)
        near = (embedding * batch["centre"][:half]).sum(dim=1)
        terms["identity"] = functional.relu(goal - near).mean()
        terms["mask"] = functional.binary_cross_entropy_with_logits(mask_logits, region)
        total = torch.stack([getattr(self.weights, k) * v for k, v in terms.items()]).sum()
        return total, terms
