"""What each rebuilt topology takes and gives, and how it is exported: as the original is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from models.training.topologies.ghost import Ghost
from models.training.topologies.hyperswap import Hyperswap
from models.training.topologies.inswapper import Inswapper
from models.training.topologies.mobile import Mobile
from models.training.topologies.simswap import Simswap

Triple = tuple[float, float, float]
ZERO: Triple = (0.0, 0.0, 0.0)
ONE: Triple = (1.0, 1.0, 1.0)
HALF: Triple = (0.5, 0.5, 0.5)
IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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


def _known() -> list[Topology]:
    return [
        Topology(
            name="insq",
            title="Inswapper topology at a quarter of its width",
            build=lambda: Inswapper(32),
            size=128,
            template="arcface_128",
            emap=True,
        ),
        Topology(
            name="insf",
            title="Inswapper topology at full width",
            build=lambda: Inswapper(128),
            size=128,
            template="arcface_128",
            emap=True,
        ),
        Topology(
            name="mob",
            title="MobileFaceSwap-like topology",
            build=Mobile,
            size=224,
            template="arcface_112_v2",
            outputs=("output", "mask"),
            composited=True,
        ),
        Topology(
            name="ghost",
            title="GHOST topology, one blend per block, at a quarter of its width",
            build=Ghost,
            size=256,
            template="arcface_112_v1",
            mean=HALF,
            std=HALF,
            black=-1.0,
            opset=16,
        ),
        Topology(
            name="hyperswap",
            title="HyperSwap topology at a quarter of its width",
            build=Hyperswap,
            size=256,
            template="arcface_128",
            mean=HALF,
            std=HALF,
            black=-1.0,
            outputs=("output", "mask"),
            composited=True,
            opset=17,
        ),
        Topology(
            name="simswap",
            title="SimSwap topology at a quarter of its width",
            build=Simswap,
            size=256,
            template="arcface_112_v1",
            mean=IMAGENET[0],
            std=IMAGENET[1],
        ),
    ]


TOPOLOGIES = {one.name: one for one in _known()}
