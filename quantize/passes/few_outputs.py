"""A convolution with few outputs, at every second place: its outputs fill a block of channels."""

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

_STRIDE = 2
_PHASES = _STRIDE * _STRIDE
_SMALLEST_KERNEL = 3
# They treat every number alike, so they may come before the numbers find their places.
_ACTIVATIONS = ("LeakyRelu", "Relu", "Sigmoid", "Tanh")


@dataclass(frozen=True, slots=True)
class _Few:
    """A convolution and the activation behind it, if any."""

    kernel: tuple[int, int]
    pads: tuple[int, int, int, int]
    activation: onnx.NodeProto | None


class FewOutputs(Rewrite[_Few]):
    """Compute 2 x 2 neighbours of a picture at once, each as channels of its own.

    ONNX Runtime computes 16 (AVX2: 8) output channels at a time, even if only 3 of them exist. A
    kernel of k + 1 at stride 2 sees all that the four neighbours' kernels of k see.

    1. Conv of 2 to 4 outputs, stride 1, k at least 3, stored weights, inputs that fill blocks,
       even output sizes -> Conv with 4 times as many outputs at stride 2, DepthToSpace(2, DCR).
    2. An activation behind it that nothing else precedes -> in front of the DepthToSpace.
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
        if not 1 < outputs <= BLOCK // _PHASES or min(kernel) < _SMALLEST_KERNEL or shape is None:
            return None
        plain = given.get("auto_pad", b"NOTSET") == b"NOTSET" and given.get("group", 1) == 1
        ones = [*given.get("strides", (1, 1)), *given.get("dilations", (1, 1))]
        if not plain or any(one != 1 for one in ones) or any(n % _STRIDE for n in shape[2:]):
            return None
        user = graph.only_user(node.output[0])
        follows = user is not None and user.op_type in _ACTIVATIONS
        top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
        sides = (int(top), int(left), int(bottom), int(right))
        return _Few((kernel[0], kernel[1]), sides, user if follows else None)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Few) -> None:
        """Rewrite it."""
        weights, result = graph.constant(node.input[1]), str(node.output[0])
        assert weights is not None
        names = [str(node.input[0]), graph.store(_phases(weights), f"{result}_weight")]
        bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if bias is not None:
            names.append(graph.store(np.tile(bias, _PHASES), f"{result}_bias"))
        given: dict[str, Any] = {"kernel_shape": [size + 1 for size in match.kernel]}
        given |= {"strides": [_STRIDE, _STRIDE], "pads": list(match.pads)}
        graph.remove(node)
        value = graph.add("Conv", names, hint=result, **given)
        if match.activation is not None:
            graph.remove(match.activation)
            kind, more = match.activation.op_type, attributes(match.activation)
            value = graph.add(kind, [value], hint=result, **more)
            result = str(match.activation.output[0])
        graph.add("DepthToSpace", [value], output=result, blocksize=_STRIDE, mode="DCR")


def _phases(weights: NDArray[Any]) -> NDArray[Any]:
    """Return weights (O, I, k, l) for the four neighbours: (4 O, I, k + 1, l + 1)."""
    outputs, inputs, rows, columns = weights.shape
    spread = np.zeros(
        (_STRIDE, _STRIDE, outputs, inputs, rows + 1, columns + 1), dtype=weights.dtype
    )
    for down in range(_STRIDE):
        for along in range(_STRIDE):
            spread[down, along, :, :, down : down + rows, along : along + columns] = weights
    return spread.reshape(_PHASES * outputs, inputs, rows + 1, columns + 1)
