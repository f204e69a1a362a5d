"""The swapper: a thin U-Net whose decoder is steered by the source's embedding.

One family for crops of 128 and 256 pixels: the larger one is the smaller one with a level more on
the outside. Made for small devices, for 8 bits and for baking:

* dense 3x3 convolutions, LeakyReLU, nearest upsampling, zero padding, static shapes;
* the identity enters as one gain and one shift per channel behind a convolution, so a fixed
  identity folds into the weights and biases of that convolution and costs nothing;
* what makes gains and shifts of an embedding are 1x1 convolutions of one pixel, which are 8-bit
  like all others: a matrix product would stay float on NNAPI, four bytes a weight. They are nearly
  half of the weights and none of the work, and baking takes them out;
* the network paints a face and says where it belongs: where it does not, the target's pixels stay
  to the bit;
* the picture is worked on at half size and put back by one depth-to-space step, which spares the
  memory traffic of full-size feature maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn import functional

LENGTH = 512
MOST_PARAMETERS = 2_500_000


@dataclass(frozen=True, slots=True)
class Shape:
    """One member of the family; levels from the finest, half of the crop's side, to 16 pixels.

    Attributes:
        widths: channels of each level, multiples of what processors take at once.
        blocks: styled blocks of each level.
        gmac: what a crop may cost at most, in 1e9 multiply-adds.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    gmac: float


FAMILY = {
    128: Shape((32, 64, 96), (1, 1, 3), 0.8),
    256: Shape((24, 32, 64, 96), (1, 1, 1, 3), 1.5),
}
_SLOPE = 0.1
_QUIET = 0.02
"""How much gains and shifts differ from face to face at first: more is noise to be unlearnt."""

STYLE = 288
"""Numbers that steer the decoder: so many that baking takes out two fifths of the weights."""


def leaky(x: Tensor) -> Tensor:
    """What stands behind convolutions: nothing is lost for good below 0."""
    return functional.leaky_relu(x, _SLOPE)


def plain(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A dense convolution."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
    nn.init.kaiming_normal_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class Mapping(nn.Module):
    """Unit embedding to the numbers that steer the decoder: (N, 512) to (N, style, 1, 1)."""

    def __init__(self, style: int) -> None:
        super().__init__()
        self.first = plain(LENGTH, style, 1)
        self.second = plain(style, style, 1)
        # A unit vector's 512 numbers are tiny; folded into the weights at export.
        self.scale = float(LENGTH) ** 0.5

    @torch.no_grad()
    def hear_through(self, weight: Tensor, bias: Tensor) -> None:
        """Hear a linear map of what is told from now on, in place of what is told.

        Args:
            weight: float64 (512, 512).
            bias: float64 (512,).
        """
        heard = self.first.weight.reshape(-1, LENGTH).double()
        assert self.first.bias is not None
        self.first.bias.add_((self.scale * heard @ bias).float())
        self.first.weight.copy_((heard @ weight).float()[..., None, None])

    def forward(self, source: Tensor) -> Tensor:
        source = source.reshape(-1, LENGTH, 1, 1)
        if self.scale != 1.0:
            source = source * self.scale
        return functional.relu(self.second(functional.relu(self.first(source))))


class Styled(nn.Module):
    """A 3x3 convolution with a gain and a shift per channel from the style."""

    def __init__(self, inputs: int, outputs: int, style: int, start: float = 1.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight)
        self.gain = plain(style, outputs, 1)
        self.shift = plain(style, outputs, 1)
        for conv, middle in ((self.gain, start), (self.shift, 0.0)):
            nn.init.normal_(conv.weight, std=_QUIET / style**0.5)
            assert conv.bias is not None
            nn.init.constant_(conv.bias, middle)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        out: Tensor = self.conv(x) * self.gain(style) + self.shift(style)
        return out


class StyledBlock(nn.Module):
    """Two styled convolutions and the way around them."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.first = Styled(width, width, style)
        # A quiet branch starts a deep network well.
        self.second = Styled(width, width, style, start=0.3)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return leaky(x + self.second(leaky(self.first(x, style)), style))


class Swapper(nn.Module):
    """Target crop and source embedding to the swapped crop and where it changed.

    Weights are named by the side of the level they work on, so that one member of the family can
    start from what another has learnt.

    Args:
        size: side of the crop in pixels, 128 or 256.
        shape: another one than the family's, for tests.
        style: numbers that the embedding is brought down to.
    """

    def __init__(self, size: int = 128, shape: Shape | None = None, style: int = STYLE) -> None:
        super().__init__()
        shape = shape or FAMILY[size]
        self.size = size
        self.sides = tuple(str(size >> (level + 1)) for level in range(len(shape.widths)))
        widths = dict(zip(self.sides, shape.widths, strict=True))
        finest, deepest = self.sides[0], self.sides[-1]
        self.mapping = Mapping(style)
        self.stem = plain(3, widths[finest], 4, 2)
        self.down = nn.ModuleDict(
            {low: plain(widths[high], widths[low], 3, 2) for high, low in pairwise(self.sides)}
        )
        self.keep = nn.ModuleDict(
            {side: plain(widths[side], widths[side]) for side in self.sides if side != deepest}
        )
        self.blocks = nn.ModuleDict(
            {
                side: nn.ModuleList(StyledBlock(widths[side], style) for _ in range(count))
                for side, count in zip(self.sides, shape.blocks, strict=True)
            }
        )
        self.up = nn.ModuleDict(
            {high: plain(widths[low], widths[high]) for high, low in pairwise(self.sides)}
        )
        self.last = Styled(widths[finest], widths[finest], style)
        self.head = plain(widths[finest], 16)
        nn.init.normal_(self.head.weight, std=0.01)

    def style_parameters(self) -> list[nn.Parameter]:
        """The weights that an embedding becomes gains and shifts by; baking takes them out."""
        styled = [m for m in self.modules() if isinstance(m, Styled)]
        parts = [self.mapping, *(part for m in styled for part in (m.gain, m.shift))]
        return [weight for part in parts for weight in part.parameters()]

    def outer_parameters(self) -> list[nn.Parameter]:
        """The weights of the outermost level, which a smaller member of the family has not."""
        finest, below = self.sides[0], self.sides[1]
        parts = [
            *[self.stem, self.keep[finest], self.down[below]],
            *[self.up[finest], self.blocks[finest], self.last, self.head],
        ]
        return [weight for part in parts for weight in part.parameters()]

    def painted(self, target: Tensor, source: Tensor) -> Tensor:
        """R, G, B of a face everywhere, and the mask, before the sigmoid: (N, 3 + 1, S, S)."""
        style = self.mapping(source)
        x = leaky(self.stem(target))
        kept: dict[str, Tensor] = {}
        for side in self.sides:
            if side in self.down:
                x = leaky(self.down[side](x))
            if side in self.keep:
                x = kept[side] = leaky(self.keep[side](x))
        for side in reversed(self.sides):
            if side in self.up:
                above = functional.interpolate(self.up[side](x), scale_factor=2.0, mode="nearest")
                x = kept[side] + above
            for block in self.blocks[side]:
                x = block(x, style)
        x = leaky(self.last(x, style))
        out: Tensor = functional.pixel_shuffle(self.head(x), 2)
        return out

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, S, S) RGB in [0, 1].
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, S, S) RGB in [0, 1], and float32 (N, 1, S, S) in [0, 1].
        """
        return composited(target, self.painted(target, source))


def composited(target: Tensor, painted: Tensor) -> tuple[Tensor, Tensor]:
    """The picture that `Swapper.painted` makes of a target, and the mask, both in [0, 1]."""
    both = torch.sigmoid(painted)
    mask = both[:, 3:]
    return target + (both[:, :3] - target) * mask, mask


def start_from(net: Swapper, other: dict[str, Tensor]) -> list[str]:
    """Take over the weights of another member of the family that fit; return their names.

    A larger one's outer level begins by passing on what the smaller one's stem saw, so that what
    was learnt behind it means the same as before.
    """
    own = net.state_dict()
    fit = {k: v for k, v in other.items() if k in own and own[k].shape == v.shape}
    if net.size != 128:
        fit = {k: v for k, v in fit.items() if not k.startswith(("stem", "head"))}
    net.load_state_dict({**own, **fit})
    if net.size != 128:
        _see_alike(net, other["stem.weight"], other["stem.bias"])
    return sorted(fit)


@torch.no_grad()
def _see_alike(net: Swapper, weight: Tensor, bias: Tensor) -> None:
    """Make a stem and the step below it out of the smaller member's stem, on halved pictures.

    Twelve channels of the new stem hold the halved picture: each colour as it is, a row and a
    column further, and both, since the step below is a pixel narrower than the stem that it stands
    for. Of what is further only the nearer of two rows is in sight. Nobody listens to the other
    channels at first.

    Args:
        net: changed in place.
        weight: float32 (W, 3, 4, 4) of the smaller member's stem.
        bias: float32 (W,).
    """
    assert net.stem.bias is not None
    down = net.down[net.sides[1]]
    down.weight.zero_()
    down.bias.copy_(bias)
    here, further = slice(1, 3), slice(3, 4)
    for colour in range(3):
        for number, (rows, columns) in enumerate(product((here, further), repeat=2)):
            channel = 4 * colour + number
            net.stem.weight[channel] = 0.0
            window = net.stem.weight[channel, colour, rows, columns]
            window.fill_(1.0 / window.numel())
            net.stem.bias[channel] = 0.0
            into = [slice(0, 3) if part is here else slice(2, 3) for part in (rows, columns)]
            out_of = [slice(0, 3) if part is here else further for part in (rows, columns)]
            down.weight[:, channel, into[0], into[1]] = weight[:, colour, out_of[0], out_of[1]]


@torch.no_grad()
def begin_with_traits(net: Swapper, weight: Tensor, bias: Tensor) -> None:
    """Let the mapping begin with what can be read of a face in an embedding.

    Which mixtures of 512 numbers mean a wide nose takes a swapper thousands of steps to find; the
    recogniser's trainer has found them. A trait becomes two numbers, one for each sign.

    Args:
        net: changed in place.
        weight: float32 (T, 512), from a unit embedding times the root of its length to T traits.
        bias: float32 (T,).

    Raises:
        ValueError: there are more traits than the mapping has room for.
    """
    first, count = net.mapping.first, len(bias)
    if 2 * count > first.out_channels:
        raise ValueError(f"{count} traits do not fit into {first.out_channels} numbers")
    assert first.bias is not None
    for sign, start in ((1.0, 0), (-1.0, count)):
        first.weight[start : start + count] = sign * weight.reshape(count, LENGTH, 1, 1)
        first.bias[start : start + count] = sign * bias
