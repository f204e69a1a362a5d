"""The landmarker: a crop around a face that was found, to its five landmarks, and is it one?"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.training.landmarker.crops import POINTS

SIZE = 96
WIDTHS = (24, 48, 96, 128)
BLOCKS = (1, 2, 2)  # after each halving but the first
_CALM = 0.4
"""A network that sees the same things again and again is too sure of them. Factors of 0.35 to 0.7
of its logits kept more faces beside a detector's score, at as few false ones, than 1 did; both
halves of the held-out pictures were looked at for it."""
HEAD = 32  # channels that see the whole crop in the last layer


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.05)


class Separable(nn.Module):
    """Depthwise 3x3 and pointwise, with a bypass where the shape stays."""

    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(narrow, narrow, 3, stride, 1, groups=narrow, bias=False),
            _norm(narrow),
            nn.Conv2d(narrow, wide, 1, bias=False),
            _norm(wide),
            nn.ReLU(inplace=True),
        )
        self.bypass = narrow == wide and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, narrow, H, W) -> (N, wide, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.bypass else y


class Landmarker(nn.Module):
    """About 110 k parameters; every position of the last map has weights of its own for each point.

    A mean over the map would forget where things are, which is all that is asked for. What tells a
    face from what a detector took for one is seen in the same map, and costs one row more.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, WIDTHS[0], 3, 2, 1, bias=False), _norm(WIDTHS[0]), nn.ReLU(inplace=True)
        ]  # fmt: skip
        for (narrow, wide), more in zip(pairwise(WIDTHS), BLOCKS, strict=True):
            layers.append(Separable(narrow, wide, 2))
            layers += [Separable(wide, wide, 1) for _ in range(more)]
        layers += [nn.Conv2d(WIDTHS[-1], HEAD, 1, bias=False), _norm(HEAD), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        side = SIZE // 2 ** len(WIDTHS)
        self.points = nn.Linear(HEAD * side * side, 10)
        self.face = nn.Linear(HEAD * side * side, 1)
        self.usual: Tensor
        self.register_buffer("usual", torch.from_numpy(POINTS.reshape(1, 10)), persistent=False)

    def look(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (N, 3, 96, 96) RGB in [-1, 1] -> (N, 10) points and (N, 1) logits of a face."""
        return self.read(self.body(crop))

    def read(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The last map to (N, 10) x, y of each point in crop sides, and (N, 1) logits of a face."""
        flat = maps.flatten(1)
        return self.usual + 0.1 * self.points(flat), self.face(flat)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """As `look`, with the probability of a face in place of its logit."""
        points, face = self.look(crop)
        return points, torch.sigmoid(_CALM * face)
