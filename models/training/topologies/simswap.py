"""The SimSwap topology: batch norm around nine blocks of adaptive instance norm.

55 M parameters and 63 GMAC at 256 pixels and full width. The batch norms fold into the
convolutions when it is exported.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.training.topologies.layers import Gains, at_once, centred, conv, reflect, twice

LENGTH = 512


def normed(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1
) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    layers = conv(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs), nn.ReLU()
    return nn.Sequential(*layers)


class AdaptiveConv(nn.Module):
    """Mirror, convolve, normalise, x * (1 + gain) + shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv(width, width, padding=0)
        self.style = Gains(LENGTH, width, gain=0.0)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        x = self.conv(reflect(x, 1))
        if self.training:
            x = at_once(x)
        else:
            x, variance = centred(x)
            x = x * variance.rsqrt()
        # Chosen by index, as the original has it: a Slice or Gather, not a Split.
        style = self.style(source).view(-1, 2, x.shape[1], 1, 1)
        return x * (style[:, 0] + 1.0) + style[:, 1]


class Block(nn.Module):
    """Two adaptive convolutions and the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = AdaptiveConv(width)
        self.second = AdaptiveConv(width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        return x + self.second(functional.relu(self.first(x, source)), source)


class Simswap(nn.Module):
    """Target and source to the swapped picture.

    Args:
        width: channels behind the first convolution; 64 at full width.
        blocks: of adaptive instance norm.
    """

    def __init__(self, width: int = 16, blocks: int = 9) -> None:
        super().__init__()
        w1, w2, w4, w8 = (width * n for n in (1, 2, 4, 8))
        self.stem = normed(3, w1, 7, 1, 0)
        self.down = nn.Sequential(normed(w1, w2, 3, 2), normed(w2, w4, 3, 2), normed(w4, w8, 3, 2))
        self.blocks = nn.ModuleList(Block(w8) for _ in range(blocks))
        self.up = nn.ModuleList([normed(w8, w4), normed(w4, w2), normed(w2, w1)])
        self.head = conv(w1, 3, 7, 1, 0)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 256, 256) RGB, normalised as for ImageNet.
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, 256, 256) RGB in [0, 1].
        """
        x = self.down(self.stem(reflect(target, 3)))
        for block in self.blocks:
            x = block(x, source)
        for layer in self.up:
            x = layer(twice(x))
        return ((self.head(reflect(x, 3)).float().tanh() + 1) / 2,)
