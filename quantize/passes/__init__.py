"""Graph rewrites: each says what it needs and promises, and the runner holds it to that.

A pass is a file of its own. `run_passes` runs them in order; `STANDARD` are those that every
target wants, and `bake_identity` those that make an identity part of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from quantize.passes._infra.feeds import InputSpec, default_spec, draw_feeds
from quantize.passes._infra.model import count_operators
from quantize.passes.bake import Bake
from quantize.passes.base import Pass, PassResult
from quantize.passes.blocked_resize import BlockedResize
from quantize.passes.clean import Clean
from quantize.passes.concat_apart import ConcatApart
from quantize.passes.convtranspose import ConvTransposeToConv
from quantize.passes.dead_weights import DeadWeights
from quantize.passes.debris import Debris
from quantize.passes.depth_to_space_crd import DepthToSpaceCrd
from quantize.passes.depth_to_space_dcr import DepthToSpaceDcr
from quantize.passes.edge_pad import EdgePad
from quantize.passes.explicit_roi import ExplicitRoi
from quantize.passes.few_outputs import FewOutputs
from quantize.passes.fold_batchnorm import FoldBatchnorm
from quantize.passes.fuse_instance_norm import FuseInstanceNorm
from quantize.passes.leaky_relu_max import LeakyReluMax
from quantize.passes.lift_emap import LiftEmap
from quantize.passes.modulated_weights import ModulatedWeights
from quantize.passes.prelu_exact import PreluExact
from quantize.passes.prelu_fused import PreluFused
from quantize.passes.reciprocal_to_div import ReciprocalToDiv
from quantize.passes.reflect_pad import ReflectPad
from quantize.passes.runner import Rewritten, Step, run_passes
from quantize.passes.sigmoid_to_tanh import SigmoidToTanh
from quantize.passes.static_shapes import StaticShapes
from quantize.passes.uneven_split import UnevenSplit
from quantize.passes.unfuse_instance_norm import UnfuseInstanceNorm
from quantize.passes.vectors_together import VectorsTogether
from quantize.passes.weights_at_load import WeightsAtLoad
from quantize.passes.winograd import Winograd

__all__ = [
    "STANDARD",
    "Bake",
    "BlockedResize",
    "Clean",
    "ConcatApart",
    "ConvTransposeToConv",
    "DeadWeights",
    "Debris",
    "DepthToSpaceCrd",
    "DepthToSpaceDcr",
    "EdgePad",
    "ExplicitRoi",
    "FewOutputs",
    "FoldBatchnorm",
    "FuseInstanceNorm",
    "InputSpec",
    "LeakyReluMax",
    "LiftEmap",
    "ModulatedWeights",
    "Pass",
    "PassResult",
    "PreluExact",
    "PreluFused",
    "ReciprocalToDiv",
    "ReflectPad",
    "Rewritten",
    "SigmoidToTanh",
    "StaticShapes",
    "Step",
    "UnevenSplit",
    "UnfuseInstanceNorm",
    "VectorsTogether",
    "WeightsAtLoad",
    "Winograd",
    "bake_identity",
    "count_operators",
    "default_spec",
    "draw_feeds",
    "run_passes",
]

STANDARD: tuple[Pass, ...] = (
    Clean(),
    Debris(),
    StaticShapes(),
    FuseInstanceNorm(),
    FoldBatchnorm(),
    DeadWeights(),
    ExplicitRoi(),
)
"""What every target wants, for a model whose inputs are static and whose emap has been lifted."""


def bake_identity(values: Mapping[str, NDArray[Any]]) -> tuple[Pass, ...]:
    """Return the passes that make inputs constant and fold all that follows from them.

    Args:
        values: an array per input that is to become a constant.
    """
    return (Bake(values), FuseInstanceNorm(), FoldBatchnorm(), Debris())
