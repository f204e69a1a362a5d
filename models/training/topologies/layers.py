"""Layers that several of the topologies share, each spelt as their exporters spelt it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-8


def reflect(x: Tensor, by: int) -> Tensor:
    """Mirror the borders; becomes a reflect Pad."""
    return functional.pad(x, (by, by, by, by), mode="reflect")


def twice(x: Tensor, align_corners: bool = False) -> Tensor:
    """The map at twice its size, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=align_corners)


def centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """The map without its mean per channel, and its variance, a little above 0.

    Written out, as the swappers' authors did: ReduceMean, Sub, Mul, ReduceMean, Add. Always
    float32, for sums of squares lose too much in less.
    """
    x = x.float()
    x = x - x.mean((2, 3), keepdim=True)
    return x, (x * x).mean((2, 3), keepdim=True) + EPSILON


def at_once(x: Tensor) -> Tensor:
    """The same normalisation in one step, which trains faster than the written-out one."""
    return functional.instance_norm(x.float(), eps=EPSILON)


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1
) -> nn.Conv2d:
    """A convolution that starts well before a leaky ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    nn.init.kaiming_normal_(layer.weight, 0.2)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


class Gains(nn.Linear):
    """A style to 2 x `channels` numbers: gains that start at `gain`, shifts at 0.

    One linear layer, as in the originals.
    """

    def __init__(self, style: int, channels: int, gain: float = 1.0) -> None:
        super().__init__(style, 2 * channels)
        # A unit vector's numbers are tiny: a start as for normal ones would leave it unheard.
        nn.init.normal_(self.weight, std=0.3)
        nn.init.zeros_(self.bias)
        nn.init.constant_(self.bias[:channels], gain)
