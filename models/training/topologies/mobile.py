"""A MobileFaceSwap-like topology: depthwise-separable U-net with modulated convolutions.

0.51 M parameters and 0.44 GMAC at 224 pixels. The identity scales the inputs of a 1x1 convolution
(modulation), and each of its outputs is brought back to unit variance (demodulation): with the
identity fixed, all of it, and the batch norm behind it, is a plain convolution.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.topologies.layers import conv, twice

LENGTH = 512


class Modulated(nn.Module):
    """A 1x1 convolution whose inputs the style scales, demodulated, and batch norm behind it."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.scale = nn.Linear(style, inputs)
        nn.init.normal_(self.scale.weight, std=0.2)
        nn.init.ones_(self.scale.bias)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale = self.scale(style).float()
        squares = self.weight.square().flatten(1)
        energy = functional.linear(scale * scale, squares) + 1e-8
        y = functional.conv2d(x * scale[:, :, None, None], self.weight)
        return self.norm(y * energy.rsqrt()[:, :, None, None])


class Separable(nn.Module):
    """A depthwise and a plain 1x1 convolution, PReLU behind each."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        self.depth_act = nn.PReLU(inputs)
        self.point = conv(inputs, outputs, 1, 1, 0)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.point(self.depth_act(self.depth(x))))


class StyledSeparable(nn.Module):
    """A depthwise and a modulated 1x1 convolution, PReLU behind the first."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs)
        self.depth_act = nn.PReLU(inputs)
        self.point = Modulated(inputs, outputs, style)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.point(self.depth_act(self.depth(x)), style)


class StyledBlock(nn.Module):
    """Two styled separable convolutions and the way around them."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.first = StyledSeparable(width, width, style)
        self.act = nn.PReLU(width)
        self.second = StyledSeparable(width, width, style)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return x + self.second(self.act(self.first(x, style)), style)


class Mobile(nn.Module):
    """Target and source to the swapped picture, composited by the mask, and the mask.

    Args:
        width: channels at full size; eight times that in the middle.
        blocks: styled blocks in the middle.
        style: numbers that the source is brought down to.
    """

    def __init__(self, width: int = 16, blocks: int = 8, style: int = 64) -> None:
        super().__init__()
        widths = [width, width * 2, width * 4, width * 8]
        self.mapping = nn.Linear(LENGTH, style)
        nn.init.normal_(self.mapping.weight, std=1.0)
        self.stem = conv(3, width)
        self.stem_act = nn.PReLU(width)
        self.encoder = nn.ModuleList(Separable(a, b, 2) for a, b in itertools.pairwise(widths))
        self.blocks = nn.ModuleList(StyledBlock(widths[-1], style) for _ in range(blocks))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.decoder = nn.ModuleList(StyledSeparable(a + b, b, style) for a, b in pairs)
        self.acts = nn.ModuleList(nn.PReLU(b) for _, b in pairs)
        self.head = conv(width, 4)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 224, 224) RGB in [0, 1].
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, 224, 224) RGB in [0, 1], and float32 (N, 1, 224, 224) in [0, 1].
        """
        style = functional.leaky_relu(self.mapping(source), 0.2)
        x = self.stem_act(self.stem(target))
        skips = []
        for layer in self.encoder:
            skips.append(x)
            x = layer(x)
        for block in self.blocks:
            x = block(x, style)
        for layer, act, skip in zip(self.decoder, self.acts, reversed(skips), strict=True):
            x = act(layer(torch.cat([twice(x), skip], dim=1), style))
        picture, mask = torch.sigmoid(self.head(x).float()).split([3, 1], dim=1)
        return target + (picture - target) * mask, mask
