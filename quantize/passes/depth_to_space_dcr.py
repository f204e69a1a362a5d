"""DepthToSpace CRD to DCR: the only order that NNAPI and TFLite know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

# They treat every channel alike, so the channels may be sorted before them.
_CHANNELWISE = {
    "Abs", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish",
    "Neg", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    """A CRD node: its channels, and the convolution that may make them in another order."""

    channels: int
    conv: onnx.NodeProto | None


class DepthToSpaceDcr(Rewrite[_Found]):
    """Sort the channels so that DCR puts them where CRD did.

    1. The channels come from a Conv without groups, through nothing but activations that each have
       one reader -> the Conv makes them in the order of DCR: its weights and bias are sorted.
    2. Otherwise, sizes known -> Reshape to (N, C, s * s, H * W), Transpose, Reshape back, DCR.
    3. Otherwise -> Gather along the channels, DCR.
    4. Number of channels unknown: left alone.
    """

    name: ClassVar[str] = "depth_to_space_dcr"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Found | None:
        """Find a DepthToSpace in CRD order."""
        if node.op_type != "DepthToSpace" or attributes(node).get("mode") != b"CRD":
            return None
        shape = graph.shape(node.input[0])
        if shape is None or len(shape) != 4 or shape[1] is None:
            return None
        return _Found(shape[1], _sortable(graph, node))

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Found) -> None:
        """Sort the channels."""
        phases = int(attributes(node)["blocksize"]) ** 2
        order = np.arange(match.channels).reshape(-1, phases).T.ravel()
        if match.conv is not None:
            for index in range(1, len(match.conv.input)):
                value = graph.constant(match.conv.input[index])
                if value is not None:
                    name = graph.store(value[order], f"{match.conv.output[0]}_sorted")
                    graph.set_input(match.conv, index, name)
        else:
            graph.set_input(node, 0, _sorted(graph, node.input[0], order, phases))
        graph.set_attributes(node, {"mode": "DCR"})


def _sortable(graph: Graph, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the convolution in front whose outputs may be sorted."""
    name = node.input[0]
    while graph.only_user(name) is not None:
        maker = graph.maker(name)
        if maker is None:
            return None
        if maker.op_type == "Conv":
            constant = all(graph.is_constant(value) for value in maker.input[1:] if value)
            return maker if constant and attributes(maker).get("group", 1) == 1 else None
        if maker.op_type not in _CHANNELWISE:
            return None
        name = maker.input[0]
    return None


def _sorted(graph: Graph, name: str, order: np.ndarray, phases: int) -> str:
    shape = graph.static_shape(name)
    if shape is None:
        return graph.add("Gather", [name, graph.store(order, "channel_order")], axis=1)
    batch, channels, height, width = shape
    split = np.array([batch, channels // phases, phases, height * width])
    parts = graph.add("Reshape", [name, graph.store(split, "phases_apart")])
    swapped = graph.add("Transpose", [parts], perm=[0, 2, 1, 3])
    return graph.add("Reshape", [swapped, graph.store(np.array(shape), "phases_first")])
