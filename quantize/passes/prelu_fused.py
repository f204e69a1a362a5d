"""PReLU as a sum of two convolutions, one of which ends in a ReLU: two passes over the values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.blocked import fills_blocks, is_stored_conv, products_per_output
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite
from quantize.passes.prelu_exact import slopes_of

_MOST_PRODUCTS = 16
_MOST_VALUES = 500_000
"""Up to these a convolution that runs twice takes no longer than it and two depthwise 1x1.

Measured with ONNX Runtime 1.32's kernels for AVX-512 and for AVX2, one and two threads: 3x3
depthwise convolutions of 100,000 and 400,000 outputs take as long, with a node less; those of
1.2 and 2.4 million, which the second cache does not hold, half as long again.
"""


@dataclass(frozen=True, slots=True)
class _Slopes:
    """A PReLU: its slopes (C,), and the convolution in front of it that is to run twice, if any."""

    slopes: NDArray[Any]
    conv: onnx.NodeProto | None


class PreluFused(Rewrite[_Slopes]):
    """Say PReLU so that ONNX Runtime fuses the ReLU and the sum into convolutions.

    With slopes a up to 1: prelu(v) = v + relu((a - 1) v), and = a v + relu((1 - a) v).

    1. Behind a small Conv with stored weights W, b that nothing else reads ->
       Conv_W,b(x) + Relu(Conv_(a-1)W,(a-1)b(x)).
    2. Otherwise -> DW_a(x) + Relu(DW_1-a(x)), where DW_w is a depthwise 1x1 convolution.
    3. One slope for all, slopes above 1, channels that do not fill blocks, and what `prelu_exact`
       leaves alone: left alone.
    """

    name: ClassVar[str] = "prelu_fused"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Slopes | None:
        """Find such a PRelu."""
        slopes = slopes_of(graph, node)
        if slopes is None or slopes.size == 1 or not np.all(slopes <= 1):
            return None
        source = str(node.input[0])
        if not fills_blocks(graph, source):
            return None
        conv = graph.maker(source, "Conv")
        twice = conv is not None and is_stored_conv(graph, conv) and _is_small(graph, conv)
        alone = graph.only_user(source) is not None
        return _Slopes(slopes, conv if twice and alone else None)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Slopes) -> None:
        """Rewrite it."""
        source, result = str(node.input[0]), str(node.output[0])
        graph.remove(node)
        wide = match.slopes.astype(np.float64)
        if match.conv is not None:
            plain = source
            positive = _scaled(graph, match.conv, wide - 1, result)
        else:
            plain = _by_channel(graph, source, wide, f"{result}_slope")
            positive = _by_channel(graph, source, 1 - wide, f"{result}_rest")
        graph.add("Add", [plain, graph.add("Relu", [positive], hint=result)], output=result)


def _is_small(graph: Graph, conv: onnx.NodeProto) -> bool:
    shape = graph.static_shape(conv.output[0])
    if shape is None or products_per_output(graph, conv) > _MOST_PRODUCTS:
        return False
    return math.prod(shape) <= _MOST_VALUES


def _scaled(graph: Graph, conv: onnx.NodeProto, gain: NDArray[np.float64], result: str) -> str:
    """Add a convolution that gives a convolution's outputs times a gain per channel."""
    inputs = [str(conv.input[0])]
    for kind, name in zip(("weight", "bias"), conv.input[1:], strict=False):
        stored = graph.constant(name)
        if stored is not None:
            value = stored * gain.reshape(-1, *[1] * (stored.ndim - 1))
            inputs.append(graph.store(value.astype(stored.dtype), f"{result}_{kind}"))
    return graph.add("Conv", inputs, hint=result, **attributes(conv))


def _by_channel(graph: Graph, source: str, gain: NDArray[np.float64], hint: str) -> str:
    """Add a depthwise 1x1 convolution: a gain per channel."""
    weight = gain.astype(graph.dtype(source)).reshape(-1, 1, 1, 1)
    names = [source, graph.store(weight, hint)]
    return graph.add("Conv", names, hint=hint, kernel_shape=[1, 1], group=len(gain))
