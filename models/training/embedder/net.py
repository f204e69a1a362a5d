"""The recogniser: a small residual network of dense convolutions, 112x112 crop to a unit vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZE = 112
LENGTH = 512
CHECKPOINT = "embedder.pt"
"""The trained network's file in the data folder."""


class Step(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return functional.relu(x) if self.active else x


class Block(nn.Module):
    """Two steps and the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Step(width, width)
        self.second = Step(width, width, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Embedder(nn.Module):
    """Aligned face to embedding.

    Dense 3x3 convolutions of few channels: on CPUs they run at many times the arithmetic rate of
    depthwise ones. The last feature map is pooled by a weight per place and channel, because in an
    aligned crop places have meanings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Step(3, 32, 2)
        self.low = nn.Sequential(Step(32, 48, 2), Block(48))
        self.middle = nn.Sequential(Step(48, 96, 2), Block(96), Block(96))
        self.high = nn.Sequential(Step(96, 128, 2), Block(128))
        self.spread = nn.Sequential(nn.Conv2d(128, 192, 1, bias=False), nn.BatchNorm2d(192))
        self.places = nn.Conv2d(192, 192, 7, groups=192, bias=False)
        self.settle: nn.Module = nn.BatchNorm1d(192)
        self.project = nn.Linear(192, LENGTH)
        # Without it all embeddings share one long common part, and classes part slowly.
        self.centre: nn.Module = nn.BatchNorm1d(LENGTH, affine=False)

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps at 56, 28, 14 and 7 pixels, for perceptual losses."""
        first = self.stem(x)
        second = self.low(first)
        third = self.middle(second)
        return [first, second, third, self.high(third)]

    def head(self, x: Tensor) -> Tensor:
        """The last feature map to the unit vector."""
        x = functional.relu(self.spread(x))
        x = self.settle(self.places(x).flatten(1))
        vector = self.centre(self.project(x)).float()
        # functional.normalize would export an Expand, which some accelerators lack.
        return vector / torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp(min=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, 112, 112) RGB in [-1, 1] -> float32 (N, 512) of unit length."""
        return self.head(self.features(x)[-1])


def folded(net: Embedder) -> Embedder:
    """A frozen copy in evaluation mode, its batch norms folded into convolutions."""
    import copy

    still = copy.deepcopy(net).eval().requires_grad_(False)
    for module in still.modules():
        if isinstance(module, Step) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    still.spread = nn.Sequential(fuse_conv_bn_eval(still.spread[0], still.spread[1]))
    norm = still.settle
    if isinstance(norm, nn.BatchNorm1d):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        still.project.bias.copy_(still.project.bias + still.project.weight @ shift)
        still.project.weight.mul_(scale[None])
        still.settle = nn.Identity()
    last = still.centre
    if isinstance(last, nn.BatchNorm1d):
        assert last.running_mean is not None
        assert last.running_var is not None
        scale = 1.0 / torch.sqrt(last.running_var + last.eps)
        still.project.bias.copy_((still.project.bias - last.running_mean) * scale)
        still.project.weight.mul_(scale[:, None])
        still.centre = nn.Identity()
    return still
