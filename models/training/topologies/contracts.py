"""What each rebuilt topology takes and gives, and how it is exported: as the original is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from models.training.topologies.inswapper import Inswapper
from models.training.topologies.mobile import Mobile

Triple = tuple[float, float, float]
ZERO: Triple = (0.0, 0.0, 0.0)
ONE: Triple = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Topology:
    """One topology.

    Attributes:
        name: of the exported file.
        title: one line for people.
        build: makes the network.
        size: side of the crop in pixels.
        template: that the crop is aligned to.
        mean: per channel, taken from pixels of [0, 1].
        std: per channel, that they are divided by then.
        black: value of the output for black; white is 1.
        outputs: names; the second is the mask.
        composited: whether the picture holds the target where the mask is empty.
        opset: of the exported file.
        emap: whether an unused 512 x 512 matrix comes last among the weights.
    """

    name: str
    title: str
    build: Callable[[], nn.Module]
    size: int
    template: str
    mean: Triple = ZERO
    std: Triple = ONE
    black: float = 0.0
    outputs: tuple[str, ...] = ("output",)
    composited: bool = False
    opset: int = 11
    emap: bool = False


TOPOLOGIES = {
    one.name: one
    for one in (
        Topology(
            "insq", "Inswapper topology at a quarter of its width", lambda: Inswapper(32),
            128, "arcface_128", emap=True,
        ),
        Topology(
            "insf", "Inswapper topology at full width", lambda: Inswapper(128),
            128, "arcface_128", emap=True,
        ),
        Topology(
            "mob", "MobileFaceSwap-like topology", Mobile,
            224, "arcface_112_v2", outputs=("output", "mask"), composited=True,
        ),
    )
}
