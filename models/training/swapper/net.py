"""The swapper: a thin U-Net whose decoder is steered by the source's embedding.

Made for small devices and for baking:

* dense 3x3 convolutions, LeakyReLU, nearest upsampling, zero padding, static shapes;
* the identity enters as one gain and one shift per channel behind a convolution, so a fixed
  identity folds into the weights and biases of that convolution and costs nothing;
* the picture is worked on at half size and put back by one depth-to-space step, which spares the
  memory traffic of full-size feature maps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE = 128
LENGTH = 512
SLOPE = 0.1


class Mapping(nn.Module):
    """Unit embedding to the few numbers that steer the decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(LENGTH, width)
        # A unit vector's 512 numbers are tiny; folded into the weights at export.
        self.scale = float(LENGTH) ** 0.5

    def forward(self, source: Tensor) -> Tensor:
        if self.scale != 1.0:
            source = source * self.scale
        return functional.leaky_relu(self.linear(source), SLOPE)


class Styled(nn.Module):
    """A 3x3 convolution with a gain and a shift per channel from the style."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, SLOPE)
        self.gain = nn.Linear(style, outputs)
        self.shift = nn.Linear(style, outputs)
        for linear, start in ((self.gain, 1.0), (self.shift, 0.0)):
            nn.init.normal_(linear.weight, std=0.2 / style**0.5)
            nn.init.constant_(linear.bias, start)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gain = self.gain(style)[:, :, None, None]
        shift = self.shift(style)[:, :, None, None]
        return self.conv(x) * gain + shift


class StyledBlock(nn.Module):
    """Two styled convolutions and the way around them."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.first = Styled(width, width, style)
        self.second = Styled(width, width, style)
        nn.init.constant_(self.second.gain.bias, 0.3)  # a quiet branch starts a deep net well

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        y = functional.leaky_relu(self.first(x, style), SLOPE)
        return functional.leaky_relu(x + self.second(y, style), SLOPE)


def plain(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
    nn.init.kaiming_normal_(conv.weight, SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class Swapper(nn.Module):
    """Target crop and source embedding to the swapped crop and where it changed.

    Args:
        widths: channels at 64, 32 and 16 pixels.
        blocks: styled blocks at 64, 32 and 16 pixels.
        style: numbers that the embedding is brought down to.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (32, 64, 96),
        blocks: tuple[int, int, int] = (1, 1, 3),
        style: int = 96,
    ) -> None:
        super().__init__()
        fine, mid, deep = widths
        self.mapping = Mapping(style)
        self.stem = plain(3, fine, 4, 2)
        self.fine = plain(fine, fine)
        self.down_mid = plain(fine, mid, 3, 2)
        self.mid = plain(mid, mid)
        self.down_deep = plain(mid, deep, 3, 2)
        self.deep_blocks = nn.ModuleList(StyledBlock(deep, style) for _ in range(blocks[2]))
        self.to_mid = plain(deep, mid)
        self.mid_blocks = nn.ModuleList(StyledBlock(mid, style) for _ in range(blocks[1]))
        self.to_fine = plain(mid, fine)
        self.fine_blocks = nn.ModuleList(StyledBlock(fine, style) for _ in range(blocks[0]))
        self.last = Styled(fine, fine, style)
        self.head = plain(fine, 16)
        nn.init.normal_(self.head.weight, std=0.01)

    def logits(self, target: Tensor, source: Tensor) -> Tensor:
        """The new face everywhere, and the mask, before the sigmoid: (N, 3 + 1, 128, 128)."""
        style = self.mapping(source)
        act = functional.leaky_relu
        fine = act(self.fine(act(self.stem(target), SLOPE)), SLOPE)
        mid = act(self.mid(act(self.down_mid(fine), SLOPE)), SLOPE)
        x = act(self.down_deep(mid), SLOPE)
        for block in self.deep_blocks:
            x = block(x, style)
        x = mid + functional.interpolate(self.to_mid(x), scale_factor=2.0, mode="nearest")
        for block in self.mid_blocks:
            x = block(x, style)
        x = fine + functional.interpolate(self.to_fine(x), scale_factor=2.0, mode="nearest")
        for block in self.fine_blocks:
            x = block(x, style)
        x = act(self.last(x, style), SLOPE)
        return functional.pixel_shuffle(self.head(x), 2)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 128, 128) RGB in [0, 1].
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, 128, 128) RGB in [0, 1], and float32 (N, 1, 128, 128) in [0, 1].
        """
        both = torch.sigmoid(self.logits(target, source))
        mask = both[:, 3:]
        return target + (both[:, :3] - target) * mask, mask
