"""The recogniser: a small residual network of dense convolutions, 112x112 crop to a unit vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZE = 112
LENGTH = 512
POOLED = 512
"""Numbers that the last feature map is pooled into, each by a weight per place."""

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

    Args:
        pooled: numbers that the last feature map is pooled into; other ones were trained before.
    """

    def __init__(self, pooled: int = POOLED) -> None:
        super().__init__()
        self.stem = Step(3, 32, 2)
        self.low = nn.Sequential(Step(32, 48, 2), Block(48))
        self.middle = nn.Sequential(Step(48, 96, 2), Block(96), Block(96))
        self.high = nn.Sequential(Step(96, 128, 2), Block(128))
        self.spread = nn.Sequential(nn.Conv2d(128, pooled, 1, bias=False), nn.BatchNorm2d(pooled))
        self.places = nn.Conv2d(pooled, pooled, 7, groups=pooled, bias=False)
        self.settle: nn.Module = nn.BatchNorm1d(pooled)
        self.project = nn.Linear(pooled, LENGTH)
        # Without it all embeddings share one long common part, and classes part slowly.
        self.centre: nn.Module = nn.BatchNorm1d(LENGTH, affine=False)
        # Not learnt with the rest: worked out from strangers when all is learnt (`weigh`).
        self.weigh: nn.Module = nn.Linear(LENGTH, LENGTH, bias=False).requires_grad_(False)
        unweighed(self)

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
        vector = self.weigh(self.centre(self.project(x))).float()
        # functional.normalize would export an Expand, which some accelerators lack.
        return vector / torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp(min=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, 112, 112) RGB in [-1, 1] -> float32 (N, 512) of unit length."""
        return self.head(self.features(x)[-1])


@torch.no_grad()
def unweighed(net: Embedder) -> Embedder:
    """Let all numbers count alike again, in place: so a network learns."""
    assert isinstance(net.weigh, nn.Linear)
    nn.init.eye_(net.weigh.weight)
    return net


def of_state(state: dict[str, Tensor]) -> Embedder:
    """The network of a checkpoint's weights, also of one of before: narrower, and not weighed."""
    net = Embedder(state["project.weight"].shape[1])
    net.load_state_dict({"weigh.weight": torch.eye(LENGTH), **state})
    return net


def widened(net: Embedder, narrow: Embedder) -> None:
    """Take over a network that pools fewer numbers, in place; it says the same to rounding.

    The numbers that are new begin as they were drawn, and nothing listens to them yet.
    """
    mine = net.state_dict()
    for name, theirs in narrow.state_dict().items():
        if mine[name].shape == theirs.shape:
            mine[name] = theirs
        else:
            known = tuple(slice(side) for side in theirs.shape)
            wide = torch.zeros_like(mine[name]) if name == "project.weight" else mine[name].clone()
            wide[known] = theirs
            mine[name] = wide
    net.load_state_dict(mine)


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
    if isinstance(still.weigh, nn.Linear):
        mixture = still.weigh.weight.double()
        still.project.bias.copy_((mixture @ still.project.bias.double()).float())
        still.project.weight.copy_((mixture @ still.project.weight.double()).float())
        still.weigh = nn.Identity()
    return still
