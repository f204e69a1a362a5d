"""Dead weights: taps of a kernel that never see anything but padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.geometry import Geometry, geometry_of
from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


@dataclass(frozen=True, slots=True)
class _Live:
    """First and last living tap per axis."""

    geometry: Geometry
    spans: tuple[tuple[int, int], ...]


class DeadWeights(Rewrite[_Live]):
    """Cut kernels of Conv down to the taps that can see the input.

    1. A k x k kernel on a 1 x 1 input, padded to give 1 x 1 -> its centre tap.
    2. In general: outer rows and columns of taps that fall on padding at every place of the output
       go, and the pads shrink with them.
    3. Sizes that are not known, pads that would become negative, and kernels of which nothing
       lives: left alone.
    """

    name: ClassVar[str] = "dead_weights"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Live | None:
        """Find a Conv with dead taps."""
        geometry = geometry_of(graph, node) if node.op_type == "Conv" else None
        inputs = graph.static_shape(node.input[0]) if geometry is not None else None
        outputs = graph.static_shape(node.output[0])
        if geometry is None or inputs is None or outputs is None:
            return None
        spans = tuple(
            _living(geometry, index, inputs[index + 2], outputs[index + 2])
            for index in range(len(geometry.kernel))
        )
        whole = tuple((0, taps - 1) for taps in geometry.kernel)
        return _Live(geometry, spans) if spans != whole else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Live) -> None:
        """Cut the kernel."""
        weights = graph.constant(node.input[1])
        assert weights is not None
        kept = tuple(slice(first, last + 1) for first, last in match.spans)
        cut = weights[(slice(None), slice(None), *kept)]
        geometry = match.geometry
        rows = list(zip(match.spans, geometry.kernel, geometry.dilations, strict=True))
        fronts = [p - s[0] * d for p, (s, _, d) in zip(geometry.before, rows, strict=True)]
        behinds = [
            p - (k - 1 - s[1]) * d for p, (s, k, d) in zip(geometry.after, rows, strict=True)
        ]
        graph.set_input(node, 1, graph.store(np.ascontiguousarray(cut), f"{node.output[0]}_live"))
        graph.set_attributes(
            node,
            {"kernel_shape": list(cut.shape[2:]), "pads": fronts + behinds, "auto_pad": None},
        )


def _living(geometry: Geometry, index: int, size: int, places: int) -> tuple[int, int]:
    """Return the first and the last tap of an axis that see the input; all where in doubt."""
    taps, step = geometry.kernel[index], geometry.dilations[index]
    stride, front, behind = geometry.strides[index], geometry.before[index], geometry.after[index]
    alive = [
        tap
        for tap in range(taps)
        if any(0 <= place * stride + tap * step - front < size for place in range(places))
    ]
    if not alive:
        return 0, taps - 1
    first, last = alive[0], alive[-1]
    if front - first * step < 0 or behind - (taps - 1 - last) * step < 0:
        return 0, taps - 1
    return first, last
