"""The GHOST topology, one blend per block: 128 M parameters and 16 GMAC at full width."""

from __future__ import annotations

from torch import Tensor, nn

from models.training.topologies.aad import FULL, LENGTH, Attributes, blocks_of
from models.training.topologies.layers import twice


class Ghost(nn.Module):
    """Target and source to the swapped picture.

    Args:
        part: of the full width, as a divisor.
    """

    def __init__(self, part: int = 4) -> None:
        super().__init__()
        widths = [width // part for width in FULL]
        self.attributes = Attributes(widths, align_corners=True)
        self.stem = nn.ConvTranspose2d(LENGTH, widths[-1], 2, bias=False)
        nn.init.normal_(self.stem.weight, std=0.5)
        self.blocks = blocks_of(self.attributes, depth=1)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor]:
        """Swap.

        Args:
            target: float32 (N, 3, 256, 256) RGB in [-1, 1].
            source: float32 (N, 512) of unit length.

        Returns:
            float32 (N, 3, 256, 256) RGB in [-1, 1].
        """
        x = self.stem(source[:, :, None, None])
        for number, (block, attributes) in enumerate(
            zip(self.blocks, self.attributes(target), strict=True)
        ):
            x = block(twice(x, align_corners=True) if number else x, attributes, source)
        return (x.float().tanh(),)
