"""Exact PReLU: two depthwise 1x1 convolutions and a ReLU, which ONNX Runtime keeps blocked."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


class PreluExact(Rewrite[NDArray[Any]]):
    """Say PReLU in operators that every engine has fast kernels for.

    1. One slope a for all channels -> LeakyRelu(a), which engines fuse into the convolution.
    2. A slope per channel, shape (C, 1, 1), on four axes -> DW_a(x) + DW_1-a(Relu(x)), where DW_w
       is a depthwise 1x1 convolution with the weights w. For x > 0: a x + (1 - a) x.
    3. Slopes that differ by place, or are not constant: left alone.
    """

    name: ClassVar[str] = "prelu_exact"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> NDArray[Any] | None:
        """Find a PRelu with constant slopes, one or one per channel; return them as a vector."""
        return slopes_of(graph, node)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: NDArray[Any]) -> None:
        """Rewrite it."""
        source, result = node.input[0], node.output[0]
        graph.remove(node)
        if match.size == 1:
            graph.add("LeakyRelu", [source], output=result, alpha=float(match[0]))
            return
        count = match.size
        kernel: dict[str, Any] = {"kernel_shape": [1, 1], "group": count}
        plain = graph.store(match.reshape(count, 1, 1, 1), f"{result}_slope")
        rest = (1 - match.astype(np.float64)).astype(match.dtype).reshape(count, 1, 1, 1)
        positive = graph.add("Relu", [source], hint=result)
        both = [
            graph.add("Conv", [source, plain], hint=result, **kernel),
            graph.add(
                "Conv", [positive, graph.store(rest, f"{result}_rest")], hint=result, **kernel
            ),
        ]
        graph.add("Add", both, output=result)


def slopes_of(graph: Graph, node: onnx.NodeProto) -> NDArray[Any] | None:
    """Return a PRelu's constant slopes: one for all (1,) or one per channel (C,); or None."""
    slopes = graph.constant(node.input[1]) if node.op_type == "PRelu" else None
    if slopes is None or slopes.size == 0:
        return None
    if np.all(slopes == slopes.flat[0]):
        return slopes.ravel()[:1]
    shape = graph.shape(node.input[0])
    if shape is None or len(shape) != 4 or shape[1] is None or slopes.ndim < 3:
        return None
    per_channel = slopes.shape[-3:] == (shape[1], 1, 1) and slopes.size == shape[1]
    return slopes.ravel() if per_channel else None
