"""The inswapper topology: reflect padding, written-out instance norm, six styled blocks.

Full width is 1024 channels in the blocks, 138 M parameters and 175 GMAC at 128 pixels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.training.topologies.layers import Gains, at_once, centred, conv, reflect, twice

SLOPE = 0.2
LENGTH = 512


class StyledConv(nn.Module):
    """Mirror, convolve, normalise, and give each channel the style's gain and shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv(width, width, padding=0)
        self.style = Gains(LENGTH, width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        x = self.conv(reflect(x, 1))
        gain, shift = self.style(source)[:, :, None, None].chunk(2, dim=1)
        if self.training:
            return at_once(x) * gain + shift
        x, variance = centred(x)
        return x * variance.sqrt().reciprocal() * gain + shift


class Block(nn.Module):
    """Two styled convolutions and the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = StyledConv(width)
        self.second = StyledConv(width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        return x + self.second(functional.relu(self.first(x, source)), source)


class Inswapper(nn.Module):
    """Target and source to the swapped picture.

    Args:
        width: channels behind the first convolution; 128 at full width, 32 at a quarter.
        blocks: styled blocks in the middle.
    """

    def __init__(self, width: int = 32, blocks: int = 6) -> None:
        super().__init__()
        w1, w2, w4, w8 = (width * n for n in (1, 2, 4, 8))
        self.encoder = nn.ModuleList(
            [conv(3, w1, 7, 1, 0), conv(w1, w2), conv(w2, w4, 3, 2), conv(w4, w8, 3, 2)]
        )
        self.blocks = nn.ModuleList(Block(w8) for _ in range(blocks))
        self.decoder = nn.ModuleList([conv(w8, w4), conv(w4, w2), conv(w2, w1)])
        self.head = conv(w1, 3, 7, 1, 0)
        nn.init.normal_(self.head.weight, std=0.005)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 128, 128) RGB in [0, 1].
            source: float32 (N, 512), the embedding times the emap, of unit length.

        Returns:
            float32 (N, 3, 128, 128) RGB in [0, 1].
        """
        x = reflect(target, 3)
        for layer in self.encoder:
            x = functional.leaky_relu(layer(x), SLOPE)
        for block in self.blocks:
            x = block(x, source)
        big, bigger, last = self.decoder
        x = functional.leaky_relu(big(twice(x)), SLOPE)
        x = functional.leaky_relu(bigger(twice(x)), SLOPE)
        x = functional.leaky_relu(last(x), SLOPE)
        return ((self.head(reflect(x, 3)).float().tanh() + 1) / 2,)
