"""A convolution with few outputs, in every fourth row: its outputs fill a block of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.blocked import BLOCK, fills_blocks, is_stored_conv
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_ROWS = 4
_SMALLEST_KERNEL = 3
# They treat every number alike, so they may come before the numbers find their places.
_ACTIVATIONS = ("LeakyRelu", "Relu", "Sigmoid", "Tanh")


@dataclass(frozen=True, slots=True)
class _Few:
    """A convolution, the shape of its result, and the activation behind it, if any."""

    kernel: tuple[int, int]
    pads: tuple[int, int, int, int]
    shape: tuple[int, ...]
    activation: onnx.NodeProto | None


class FewOutputs(Rewrite[_Few]):
    """Compute four rows of a picture at once, each as channels of its own.

    ONNX Runtime computes 16 (AVX2: 8) output channels at a time, even if only 3 of them exist. A
    kernel of k + 3 rows, four rows further at each step, sees all that the four rows' kernels see.

    1. Conv of 2 to 4 outputs, stride 1, k at least 3, stored weights, inputs that fill blocks, a
       height that 4 divides -> Conv with 4 times as many outputs, and the rows put in their places
       by Reshape, Transpose, Reshape: whole rows are copied quickly, columns (DepthToSpace) not.
    2. An activation that alone reads it -> before the rows find their places.
    3. Groups, dilations, auto_pad, other strides: left alone.
    """

    name: ClassVar[str] = "few_outputs"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Few | None:
        """Find such a convolution."""
        if not is_stored_conv(graph, node) or not fills_blocks(graph, node.input[0]):
            return None
        given = attributes(node)
        outputs, _, *kernel = graph.static_shape(node.input[1]) or (0, 0)
        shape = graph.static_shape(node.output[0])
        if not 1 < outputs <= BLOCK // _ROWS or min(kernel) < _SMALLEST_KERNEL or shape is None:
            return None
        plain = given.get("auto_pad", b"NOTSET") == b"NOTSET" and given.get("group", 1) == 1
        ones = [*given.get("strides", (1, 1)), *given.get("dilations", (1, 1))]
        if not plain or any(one != 1 for one in ones) or len(shape) != 4 or shape[2] % _ROWS:
            return None
        user = graph.only_user(node.output[0])
        follows = user is not None and user.op_type in _ACTIVATIONS
        top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
        sides = (int(top), int(left), int(bottom), int(right))
        return _Few((kernel[0], kernel[1]), sides, shape, user if follows else None)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Few) -> None:
        """Rewrite it."""
        weights, result = graph.constant(node.input[1]), str(node.output[0])
        assert weights is not None
        names = [str(node.input[0]), graph.store(_phases(weights), f"{result}_weight")]
        bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if bias is not None:
            names.append(graph.store(np.tile(bias, _ROWS), f"{result}_bias"))
        given: dict[str, Any] = {"kernel_shape": [match.kernel[0] + _ROWS - 1, match.kernel[1]]}
        given |= {"strides": [_ROWS, 1], "pads": list(match.pads)}
        graph.remove(node)
        value = graph.add("Conv", names, hint=result, **given)
        if match.activation is not None:
            graph.remove(match.activation)
            kind, more = match.activation.op_type, attributes(match.activation)
            value = graph.add(kind, [value], hint=result, **more)
            result = str(match.activation.output[0])
        batch, channels, height, width = match.shape
        apart = np.array([batch, _ROWS, channels, height // _ROWS, width], np.int64)
        value = graph.add("Reshape", [value, graph.store(apart, f"{result}_apart")], hint=result)
        value = graph.add("Transpose", [value], hint=result, perm=[0, 2, 3, 1, 4])
        whole = graph.store(np.array(match.shape, np.int64), f"{result}_shape")
        graph.add("Reshape", [value, whole], output=result)


def _phases(weights: NDArray[Any]) -> NDArray[Any]:
    """Return weights (O, I, k, l) for four rows: (4 O, I, k + 3, l)."""
    outputs, inputs, rows, columns = weights.shape
    spread = np.zeros((_ROWS, outputs, inputs, rows + _ROWS - 1, columns), dtype=weights.dtype)
    for down in range(_ROWS):
        spread[down, :, :, down : down + rows] = weights
    return spread.reshape(_ROWS * outputs, inputs, rows + _ROWS - 1, columns)
