"""The detector's network: a thin dense backbone, a top-down neck, one head shared by three strides.

Dense 3x3 convolutions of few channels were chosen over depthwise ones: at this size they are as
fast on the processors aimed at, and far faster to train without a graphics card.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)
# Score logits, box numbers and point offsets of one stride: (B, 1 or 4 or 10, H, W).
Level = tuple[Tensor, Tensor, Tensor]


class Conv(nn.Sequential):
    """Convolution, batch normalisation and ReLU; the normalisation is folded at export."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        """Take channel counts, the kernel's side and the stride."""
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two convolutions beside a skip connection."""

    def __init__(self, channels: int, middle: int) -> None:
        """Take the channels outside and between the two convolutions."""
        super().__init__()
        self.first = Conv(channels, middle)
        self.second = nn.Sequential(
            nn.Conv2d(middle, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return F.relu(x + self.second(self.first(x)))


class Context(nn.Module):
    """Widen what the coarsest cells see by pooling, so that a face filling the frame is one."""

    def __init__(self, channels: int) -> None:
        """Take the channel count, kept by the block."""
        super().__init__()
        self.squeeze = Conv(channels, channels // 2, 1)
        self.merge = Conv(channels // 2 * 3, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = self.squeeze(x)
        near = F.max_pool2d(x, 5, 1, 2)
        return self.merge(torch.cat((x, near, F.max_pool2d(near, 5, 1, 2)), 1))


class Head(nn.Module):
    """Score, box and points of every cell; the towers are shared, the last layer is not."""

    def __init__(self, channels: int, levels: int) -> None:
        """Take the neck's channels and the number of strides."""
        super().__init__()
        self.score_tower = Conv(channels, 24)
        self.shape_tower = nn.Sequential(Conv(channels, channels), Conv(channels, channels))
        self.score = nn.ModuleList(nn.Conv2d(24, 1, 1) for _ in range(levels))
        # Boxes and points apart: each keeps its own range when the model is quantized.
        self.box = nn.ModuleList(nn.Conv2d(channels, 4, 1) for _ in range(levels))
        self.points = nn.ModuleList(nn.Conv2d(channels, 10, 1) for _ in range(levels))
        for layer in self.score:
            # A prior of one cell in a hundred keeps the first steps calm.
            nn.init.constant_(layer.bias, -4.6)
        for layer in (*self.box, *self.points):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        for layer in self.box:
            layer.bias.data[2:4] = 1.0

    def forward(self, x: Tensor, level: int) -> Level:
        """Map (B, C, H, W) to logits, boxes and points of 1, 4 and 10 channels."""
        score = self.score[level](self.score_tower(x))
        shape = self.shape_tower(x)
        return score, self.box[level](shape), self.points[level](shape)


class Detector(nn.Module):
    """Faces as scores, boxes and five points on grids of stride 8, 16 and 32."""

    def __init__(self) -> None:
        """Build the network; about 0.29 M parameters."""
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 24, 3, 2), Residual(24, 16))
        self.stage8 = nn.Sequential(Conv(24, 40, 3, 2), Residual(40, 40))
        self.stage16 = nn.Sequential(Conv(40, 56, 3, 2), Residual(56, 56))
        self.stage32 = nn.Sequential(Conv(56, 64, 3, 2), Residual(64, 48), Context(64))
        self.lateral = nn.ModuleList(nn.Conv2d(channels, 40, 1) for channels in (40, 56, 64))
        self.smooth = nn.ModuleList(Conv(40, 40) for _ in range(2))
        self.head = Head(40, len(STRIDES))

    def forward(self, x: Tensor) -> list[Level]:
        """Map float32 (B, 3, H, W) RGB [0, 1] to the numbers of each stride."""
        features8 = self.stage8(self.stem(x - 0.5))
        features16 = self.stage16(features8)
        p32 = self.lateral[2](self.stage32(features16))
        p16 = self.smooth[1](self.lateral[1](features16) + enlarge(p32))
        p8 = self.smooth[0](self.lateral[0](features8) + enlarge(p16))
        return [self.head(p, level) for level, p in enumerate((p8, p16, p32))]


class Exported(nn.Module):
    """The network with the outputs that the runtime decodes."""

    def __init__(self, net: nn.Module) -> None:
        """Wrap ``net``, normalisation folded."""
        super().__init__()
        self.net = net

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Map (1, 3, H, W) to score_s, bbox_s, kps_s of each stride, by kind then stride."""
        levels = self.net(frame)
        scores = [flat(torch.sigmoid(logits)) for logits, _, _ in levels]
        boxes = [flat(boxes) for _, boxes, _ in levels]
        points = [flat(points) for _, _, points in levels]
        return (*scores, *boxes, *points)


def enlarge(x: Tensor) -> Tensor:
    """Double height and width by repeating."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def flat(x: Tensor) -> Tensor:
    """Map (B, C, H, W) to (B, H*W, C), row by row."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])


def parameters(net: nn.Module) -> int:
    """Count the parameters that remain after folding the normalisation."""
    total = 0
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            total += layer.weight.numel() + layer.out_channels
    return total


def multiply_adds(net: nn.Module, height: int, width: int) -> int:
    """Count the multiply-adds of all convolutions on one (height, width) frame."""
    counted = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        counted += layer.weight[0].numel() * output[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        net(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return counted
