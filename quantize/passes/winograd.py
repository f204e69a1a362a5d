"""Wide 3 x 3 convolutions by Winograd's F(4, 3): a quarter of the multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_TILE = 4
"""Outputs of a tile's side."""

_SEEN = _TILE + 2
"""Inputs of a tile's side: a 3 x 3 kernel sees one more around it."""

_NUMBERS = 256 * 256
"""Inputs times outputs from which it pays: below, the transforms take what the product saves."""

_PLACES = 64 * 64
"""Outputs of a channel from which it pays: a weight takes four times its memory once the model is
loaded, so each of its numbers must be used often."""

_AT_LOAD = ("Cast", "Mul")
"""What engines compute once where all of it is stored."""

# Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015), F(4 x 4, 3 x 3).
_OF_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_OF_WEIGHT = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OF_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


@dataclass(frozen=True, slots=True)
class _Wide:
    """A convolution that is worth it: its shapes and pads."""

    taken: tuple[int, int, int]  # channels, rows, columns
    given: tuple[int, int, int]
    pads: tuple[int, int, int, int]


class Winograd(Rewrite[_Wide]):
    """Compute tiles of 4 x 4 outputs by 36 products instead of 144.

    Tiles of 6 x 6 inputs are transformed by a convolution at stride 4, then channels are summed by
    36 products of matrices, and what comes out is transformed back. The weight is transformed by
    operators on what is stored, which engines compute when they load the model: the file keeps
    its size.

    1. Conv of float32, batch 1, 3 x 3, stride 1, sides of the output multiples of 4, its weight
       stored, or a Mul and Cast of what is; at least 256 x 256 channels, and 64 x 64 outputs of
       each -> Conv, MatMul, MatMul.
    2. Groups, dilations, auto_pad, other kernels and strides, weights of 8-bit convolutions,
       narrow ones, and small pictures, for which the weight's memory would not pay: left alone.
    """

    name: ClassVar[str] = "winograd"
    tolerance: ClassVar[float] = 1e-4

    def __init__(self, numbers: int = _NUMBERS, places: int = _PLACES) -> None:
        """Say from where it pays.

        Args:
            numbers: inputs times outputs.
            places: outputs of a channel.
        """
        self._numbers, self._places = numbers, places

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Wide | None:
        """Find such a convolution."""
        if node.op_type != "Conv" or graph.element(node.output[0]) != TensorProto.FLOAT:
            return None
        weight = graph.static_shape(node.input[1]) or ()
        taken, given = graph.static_shape(node.input[0]), graph.static_shape(node.output[0])
        if len(weight) != 4 or weight[2:] != (3, 3) or taken is None or given is None:
            return None
        stated = attributes(node)
        plain = stated.get("auto_pad", b"NOTSET") == b"NOTSET" and stated.get("group", 1) == 1
        ones = [*stated.get("strides", (1, 1)), *stated.get("dilations", (1, 1))]
        if not plain or any(one != 1 for one in ones) or taken[0] != 1:
            return None
        if weight[0] * weight[1] < self._numbers or given[2] * given[3] < self._places:
            return None
        if given[2] % _TILE or given[3] % _TILE or not _known_at_load(graph, node.input[1]):
            return None
        top, left, bottom, right = (int(pad) for pad in stated.get("pads", (0, 0, 0, 0)))
        _, inputs, rows, columns = taken
        _, outputs, high, wide = given
        sides = (top, left, bottom, right)
        return _Wide((inputs, rows, columns), (outputs, high, wide), sides)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Wide) -> None:
        """Rewrite it."""
        result, bias = str(node.output[0]), list(node.input[2:3])
        inputs, rows, columns = match.taken
        outputs, high, wide = match.given
        across, down, products = wide // _TILE, high // _TILE, _SEEN * _SEEN
        tiles = across * down
        graph.remove(node)

        def reshaped(value: str, *sizes: int) -> str:
            return graph.add("Reshape", [value, _sizes(graph, *sizes)], hint=result)

        weight = _transformed(graph, str(node.input[1]), (outputs, inputs), result)
        seen = graph.add(
            "Conv",
            [reshaped(str(node.input[0]), inputs, 1, rows, columns), _kernels(graph, result)],
            hint=result,
            kernel_shape=[_SEEN, _SEEN],
            strides=[_TILE, _TILE],
            pads=list(match.pads),
        )
        spread = reshaped(seen, inputs, products, tiles)
        turned = graph.add("Transpose", [spread], hint=result, perm=[1, 0, 2])
        summed = graph.add("MatMul", [weight, turned], hint=result)
        back = np.einsum("ai,bj->abij", _OF_OUTPUT, _OF_OUTPUT).reshape(_TILE * _TILE, products)
        matrix = graph.store(back.astype(np.float32), f"{result}_back")
        places = graph.add(
            "MatMul", [matrix, reshaped(summed, products, outputs * tiles)], hint=result
        )
        apart = reshaped(places, _TILE, _TILE, outputs, down, across)
        together = graph.add("Transpose", [apart], hint=result, perm=[2, 3, 0, 4, 1])
        shape = _sizes(graph, 1, outputs, high, wide)
        if not bias or not bias[0]:
            graph.add("Reshape", [together, shape], output=result)
            return
        whole = graph.add("Reshape", [together, shape], hint=result)
        shift = graph.add("Reshape", [bias[0], _sizes(graph, 1, outputs, 1, 1)], hint=result)
        graph.add("Add", [whole, shift], output=result)


def _sizes(graph: Graph, *sizes: int) -> str:
    return graph.store(np.array(sizes, np.int64), "sizes")


def _known_at_load(graph: Graph, name: str) -> bool:
    """Return whether a value is stored, or follows from what is by operators that are computed."""
    if graph.is_constant(name):
        return True
    maker = graph.maker(name, *_AT_LOAD)
    return maker is not None and all(_known_at_load(graph, one) for one in maker.input)


def _transformed(graph: Graph, weight: str, channels: tuple[int, int], hint: str) -> str:
    """Return the weight (O, I, 3, 3) transformed: (36, O, I), by operators on what is stored."""
    outputs, inputs = channels
    matrix = graph.store(_OF_WEIGHT.astype(np.float32), f"{hint}_of_weight")
    mirrored = graph.store(_OF_WEIGHT.T.astype(np.float32), f"{hint}_of_weight")
    flat = graph.add("Reshape", [weight, _sizes(graph, outputs * inputs * 3, 3)], hint=hint)
    half = graph.add("MatMul", [flat, mirrored], hint=hint)
    rows = graph.add("Reshape", [half, _sizes(graph, outputs * inputs, 3, _SEEN)], hint=hint)
    both = graph.add("MatMul", [matrix, rows], hint=hint)
    sizes = _sizes(graph, outputs, inputs, _SEEN * _SEEN)
    return graph.add(
        "Transpose", [graph.add("Reshape", [both, sizes], hint=hint)], hint=hint, perm=[2, 0, 1]
    )


def _kernels(graph: Graph, hint: str) -> str:
    """Store the transform of the input as a convolution of one channel to 36."""
    kernels = np.einsum("ia,jb->ijab", _OF_INPUT, _OF_INPUT).reshape(-1, 1, _SEEN, _SEEN)
    return graph.store(kernels.astype(np.float32), f"{hint}_of_input")
