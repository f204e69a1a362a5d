"""What GHOST and HyperSwap share: a U-net of attributes, and layers that blend them with who."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LENGTH = 512
SLOPE = 0.1
FULL = (32, 64, 128, 256, 512, 1024, 1024)
"""Channels of the encoder, from half size down, at full width."""


def halved(inputs: int, outputs: int) -> nn.Sequential:
    """To half the size: convolution of 4, batch norm, leaky ReLU."""
    layer = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE))


def doubled(inputs: int, outputs: int) -> nn.Sequential:
    """To twice the size: transposed convolution of 4, batch norm, leaky ReLU."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE))


class Attributes(nn.Module):
    """The U-net that says everything of the target but who it is.

    Args:
        widths: channels from half size down; seven for 256 pixels, to maps of 2 pixels.
        align_corners: how the last map is brought to full size.
    """

    def __init__(self, widths: Sequence[int], align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.down = nn.ModuleList(
            halved(a, b) for a, b in zip((3, *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList()
        inputs = widths[-1]
        for width in widths[-2::-1]:
            self.up.append(doubled(inputs, width))
            inputs = 2 * width
        self.channels = (widths[-1], *(2 * w for w in widths[-2::-1]), 2 * widths[0])

    def forward(self, target: Tensor) -> list[Tensor]:
        """float32 (N, 3, S, S) to a map for each block, smallest first."""
        skips = []
        x = target
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        maps = [x]
        for layer, skip in zip(self.up, skips[-2::-1], strict=True):
            x = torch.cat([layer(x), skip], dim=1)
            maps.append(x)
        full = functional.interpolate(
            x, scale_factor=2.0, mode="bilinear", align_corners=self.align_corners
        )
        return [*maps, full]


class Blend(nn.Module):
    """Normalise, then mix an attribute-steered and an identity-steered version by a mask."""

    def __init__(self, channels: int, attributes: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.attribute_gain = nn.Conv2d(attributes, channels, 1)
        self.attribute_shift = nn.Conv2d(attributes, channels, 1)
        self.identity_gain = nn.Linear(LENGTH, channels)
        self.identity_shift = nn.Linear(LENGTH, channels)
        for layer, start in ((self.identity_gain, 1.0), (self.identity_shift, 0.0)):
            nn.init.normal_(layer.weight, std=0.3)
            nn.init.constant_(layer.bias, start)
        self.mask = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor, attributes: Tensor, source: Tensor) -> Tensor:
        x = self.norm(x.float())
        by_attributes = self.attribute_gain(attributes) * x + self.attribute_shift(attributes)
        gain = self.identity_gain(source)[:, :, None, None].expand_as(x)
        shift = self.identity_shift(source)[:, :, None, None].expand_as(x)
        by_identity = gain * x + shift
        mask = torch.sigmoid(self.mask(x))
        return (1 - mask) * by_attributes + mask * by_identity


class BlendBlock(nn.Module):
    """Blend, ReLU and convolution, some times over, and a way around them."""

    def __init__(self, inputs: int, outputs: int, attributes: int, depth: int) -> None:
        super().__init__()
        widths = [inputs] * depth + [outputs]
        self.blends = nn.ModuleList(Blend(w, attributes) for w in widths[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, 1, 1, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.around = nn.ModuleList()
        if inputs != outputs:
            self.around.append(Blend(inputs, attributes))
            self.around.append(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False))

    def forward(self, x: Tensor, attributes: Tensor, source: Tensor) -> Tensor:
        y = x
        for blend, layer in zip(self.blends, self.convs, strict=True):
            y = layer(functional.relu(blend(y, attributes, source)))
        if len(self.around):
            blend, layer = self.around
            x = layer(functional.relu(blend(x, attributes, source)))
        return x + y


def blocks_of(attributes: Attributes, depth: int) -> nn.ModuleList:
    """Eight blocks, from maps of 2 pixels to the picture, each with `depth` blends in a row."""
    top = attributes.channels[0]
    widths = [top] * 4 + [top // n for n in (2, 4, 8, 16)] + [3]
    return nn.ModuleList(
        BlendBlock(a, b, c, depth)
        for a, b, c in zip(widths[:-1], widths[1:], attributes.channels, strict=True)
    )
