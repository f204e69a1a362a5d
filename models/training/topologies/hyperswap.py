"""The HyperSwap topology: GHOST's family, its own mask, the picture composited in the graph.

201 M parameters and 32 GMAC at full width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.topologies.aad import FULL, LENGTH, Attributes, blocks_of
from models.training.topologies.layers import conv, twice

SLOPE = 0.1


class MaskNet(nn.Module):
    """A small U-net from the picture and the features below it to the mask.

    Args:
        inputs: channels that come in.
        width: channels at full size.
    """

    def __init__(self, inputs: int, width: int = 16) -> None:
        super().__init__()
        w1, w2, w4 = width, 2 * width, 4 * width
        self.down = nn.ModuleList([conv(inputs, w1), conv(w1, w2), conv(w2, w4)])
        pairs = [(w4, w2), (w2, w1), (w1, w1)]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairs)
        self.after = nn.ModuleList([conv(w2, w2), conv(w1, w1), conv(w1, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.down:
            x = functional.max_pool2d(functional.leaky_relu(layer(x), SLOPE), 2)
        for up, layer in zip(self.up, self.after, strict=True):
            x = layer(functional.leaky_relu(up(x), SLOPE))
        return torch.sigmoid(x.float())


def eroded(mask: Tensor) -> Tensor:
    """The least of 7 x 7 values around each; beyond the border its edge goes on."""
    return -functional.max_pool2d(functional.pad(-mask, (3, 3, 3, 3), mode="replicate"), 7, 1)


class Hyperswap(nn.Module):
    """Target and source to the swapped picture, composited by the mask, and the mask.

    Args:
        part: of the full width, as a divisor.
    """

    def __init__(self, part: int = 4) -> None:
        super().__init__()
        widths = [width // part for width in FULL]
        self.attributes = Attributes(widths, align_corners=False)
        # A 3 x 3 convolution of one pixel: only the middle of its kernel is ever used.
        self.stem = nn.Conv2d(LENGTH, 4 * widths[-1], 3, 1, 1)
        nn.init.normal_(self.stem.weight, std=0.5)
        self.blocks = blocks_of(self.attributes, depth=2)
        self.mask = MaskNet(3 + 2 * widths[0])

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 256, 256) RGB in [-1, 1].
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, 256, 256) RGB in [-1, 1], and float32 (N, 1, 256, 256) in [0, 1].
        """
        x = functional.pixel_shuffle(self.stem(source[:, :, None, None]), 2)
        maps = self.attributes(target)
        for number, (block, attributes) in enumerate(zip(self.blocks, maps, strict=True)):
            x = block(twice(x) if number else x, attributes, source)
        picture = x.float().tanh()
        mask = eroded(self.mask(torch.cat([picture, maps[-1]], dim=1)))
        return picture * mask + target * (1 - mask), mask
