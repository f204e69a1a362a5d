"""DepthToSpace CRD to DCR: the only order that NNAPI and TFLite know."""

from __future__ import annotations

from typing import ClassVar

import onnx

from quantize.passes._infra.channels import Shuffled, shuffled, sort_channels
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite


class DepthToSpaceDcr(Rewrite[Shuffled]):
    """Sort the channels so that DCR puts them where CRD did.

    1. Number of channels known -> they are sorted, DCR: in the weights of the Conv that makes
       them, or by a Transpose or a Gather (`quantize.passes._infra.channels`).
    2. Otherwise: left alone.
    """

    name: ClassVar[str] = "depth_to_space_dcr"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> Shuffled | None:
        """Find a DepthToSpace in CRD order."""
        return shuffled(graph, node, b"CRD")

    def apply(self, graph: Graph, node: onnx.NodeProto, match: Shuffled) -> None:
        """Sort the channels."""
        phases = int(attributes(node)["blocksize"]) ** 2
        sort_channels(graph, node, match, (match.channels // phases, phases))
        graph.set_attributes(node, {"mode": "DCR"})
