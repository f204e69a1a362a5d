"""Sort the channels of a value: in the weights of what makes it, or by moving them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes

# They treat every channel alike, so the channels may be sorted before them.
_CHANNELWISE = {
    "Abs", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish",
    "Neg", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A DepthToSpace node: its channels, and the convolution that may make them in another order.

    Attributes:
        channels: of its input.
        conv: whose outputs may be sorted; None where there is none.
    """

    channels: int
    conv: onnx.NodeProto | None


def shuffled(graph: Graph, node: onnx.NodeProto, mode: bytes) -> Shuffled | None:
    """Return what there is to sort before a DepthToSpace of a mode; None where it is no such node.

    Args:
        graph: the graph.
        node: any node.
        mode: b"CRD" or b"DCR".
    """
    if node.op_type != "DepthToSpace" or attributes(node).get("mode", b"DCR") != mode:
        return None
    shape = graph.shape(node.input[0])
    if shape is None or len(shape) != 4 or shape[1] is None:
        return None
    return Shuffled(shape[1], _sortable(graph, node))


def sort_channels(
    graph: Graph, node: onnx.NodeProto, match: Shuffled, grid: tuple[int, int]
) -> None:
    """Transpose the channels of a node's input, seen as a grid.

    1. They come from a Conv without groups, through nothing but activations that each have one
       reader -> the Conv makes them in that order: its weights and bias are sorted.
    2. Otherwise, sizes known -> Reshape to (N, rows, columns, H * W), Transpose, Reshape back.
    3. Otherwise -> Gather along the channels.

    Args:
        graph: the graph.
        node: whose first input is sorted.
        match: of `shuffled`.
        grid: rows and columns of the channels as they are now.
    """
    order = np.arange(match.channels).reshape(grid).T.ravel()
    if match.conv is None:
        graph.set_input(node, 0, _moved(graph, node.input[0], order, grid))
        return
    for index in range(1, len(match.conv.input)):
        value = graph.constant(match.conv.input[index])
        if value is not None:
            name = graph.store(value[order], f"{match.conv.output[0]}_sorted")
            graph.set_input(match.conv, index, name)


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


def _moved(graph: Graph, name: str, order: NDArray[np.int64], grid: tuple[int, int]) -> str:
    shape = graph.static_shape(name)
    if shape is None:
        return graph.add("Gather", [name, graph.store(order, "channel_order")], axis=1)
    batch, _, height, width = shape
    split = np.array([batch, *grid, height * width])
    parts = graph.add("Reshape", [name, graph.store(split, "channels_apart")])
    swapped = graph.add("Transpose", [parts], perm=[0, 2, 1, 3])
    return graph.add("Reshape", [swapped, graph.store(np.array(shape), "channels_sorted")])
