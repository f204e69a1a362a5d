"""The student: one person's face on any target, thin enough for a phone.

Nothing tells it who to show, so all of its weights serve one identity:

* dense convolutions where there are few channels, depthwise separable ones where there are many;
  nearest upsampling, zero padding, static shapes: one partition for NNAPI, exact in TFLite;
* ReLU6: what is bounded keeps its steps fine in 8 bits;
* the crop is worked on at 64 pixels and below, and put back by one depth-to-space step, which
  spares the memory traffic of full-size feature maps;
* the mask composites, as the reference swapper's does: where it is 0 the target stays as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_PARAMETERS = 500_000
MOST_GMAC = 0.15
_FINE = 64
"""Side that the finest feature maps have, whatever the crop's is; a little less for some sizes."""


def patch_of(size: int) -> int:
    """How many pixels of a crop's side become one of the finest feature map: a power of two.

    Args:
        size: side of the crop in pixels.

    Raises:
        ValueError: the network cannot halve such a side often enough.
    """
    patch = 2
    while size // patch > _FINE:
        patch *= 2
    if size % (4 * patch):
        raise ValueError(f"a crop of {size} pixels cannot be halved to an eighth: take another")
    return patch


def plain(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A dense convolution."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
    nn.init.kaiming_normal_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class Separable(nn.Module):
    """A depthwise and a 1x1 convolution, with nothing between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, 3, 1, 1, groups=width)
        nn.init.normal_(self.depth.weight, std=1 / 3)
        self.point = plain(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.point(self.depth(x))
        return out


class Block(nn.Module):
    """Two layers of one width, and the way around them."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second
        # A quiet branch starts a deep network well.
        for name, value in second.named_parameters():
            if name.endswith("weight") and value.shape[-1] == value.shape[-2]:
                value.data.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(x + self.second(functional.relu6(self.first(x))))


def twice(x: Tensor) -> Tensor:
    """Each pixel four times: (N, C, H, W) to (N, C, 2 H, 2 W)."""
    out: Tensor = functional.interpolate(x, scale_factor=2.0, mode="nearest")
    return out


class Student(nn.Module):
    """Target crop to the swapped crop and where it changed.

    Args:
        size: side of the crop in pixels.
        widths: channels at the finest map, at half and at a quarter of its side.
        blocks: separable blocks at a quarter of its side.
    """

    def __init__(
        self, size: int, widths: tuple[int, int, int] = (16, 32, 96), blocks: int = 3
    ) -> None:
        super().__init__()
        fine, mid, deep = widths
        patch = patch_of(size)
        self.size, self.patch = size, patch
        # Each pixel of the finest map sees its own patch and half of its neighbours'.
        self.stem = nn.Conv2d(3, fine, 2 * patch, patch, patch // 2)
        self.down_mid = plain(fine, mid, 3, 2)
        self.down_deep = plain(mid, deep, 3, 2)
        self.deep = nn.Sequential(*(Block(Separable(deep), Separable(deep)) for _ in range(blocks)))
        self.to_mid = plain(deep, mid, 1)
        self.mid = Block(plain(mid, mid), plain(mid, mid))
        self.to_fine = plain(mid, fine, 1)
        # Large patches have many numbers: looking at neighbours too would be most of the work.
        self.head = plain(fine, 4 * patch * patch, 3 if patch <= 4 else 1)
        nn.init.normal_(self.head.weight, std=0.01)

    def logits(self, target: Tensor) -> Tensor:
        """The new face everywhere, and the mask, before the sigmoid: (N, 3 + 1, S, S)."""
        fine = functional.relu6(self.stem(target))
        mid = functional.relu6(self.down_mid(fine))
        x = self.deep(functional.relu6(self.down_deep(mid)))
        x = self.mid(functional.relu6(mid + twice(self.to_mid(x))))
        x = functional.relu6(fine + twice(self.to_fine(x)))
        out: Tensor = functional.pixel_shuffle(self.head(x), self.patch)
        return out

    def forward(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, S, S) RGB in [0, 1].

        Returns:
            float32 (N, 3, S, S) RGB in [0, 1], and float32 (N, 1, S, S) in [0, 1].
        """
        return composited(target, self.logits(target))


def composited(target: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The picture that logits make of a target, and the mask."""
    both = torch.sigmoid(logits)
    mask = both[:, 3:]
    return target + (both[:, :3] - target) * mask, mask


@torch.no_grad()
def cost_of(net: Student) -> tuple[int, float]:
    """How many parameters a student has, and how many GMAC of convolutions a crop takes."""
    total = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        total += out[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    net(torch.zeros(1, 3, net.size, net.size))
    for hook in hooks:
        hook.remove()
    return sum(p.numel() for p in net.parameters()), total / 1e9
