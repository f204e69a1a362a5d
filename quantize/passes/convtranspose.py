"""ConvTranspose to Conv and DepthToSpace: exact, and known to NNAPI and to the quantizers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.geometry import Geometry, geometry_of
from quantize.passes._infra.graph import Graph
from quantize.passes.base import Rewrite


class ConvTransposeToConv(Rewrite[Geometry]):
    """Compute each of the s x s phases of the output by its own small kernel.

    An output s q + r sums x[i] w[t] with t = s q + r + p - s i. With d = i - q, that is a
    convolution of x by w[r + p - s d] at d, for each phase r by itself.

    1. Stride s on both axes, s > 1 -> Conv with s * s as many outputs, DepthToSpace(s, DCR).
    2. s = 1 -> Conv with the flipped kernel alone.
    3. Groups: the same, but the phases lie inside the groups: DepthToSpace(s, CRD).
    4. Sizes that s does not divide are cut off by a Slice.
    5. Two different strides, other than two spatial axes, auto_pad, output_shape, and weights that
       are not constant: left alone.
    """

    name: ClassVar[str] = "convtranspose"
    tolerance: ClassVar[float] = 1e-4

    def match(self, graph: Graph, node: onnx.NodeProto) -> Geometry | None:
        """Find a ConvTranspose of these kinds."""
        geometry = geometry_of(graph, node) if node.op_type == "ConvTranspose" else None
        if geometry is None or len(geometry.kernel) != 2 or len(set(geometry.strides)) != 1:
            return None
        has_bias = len(node.input) > 2 and node.input[2]
        return geometry if not has_bias or graph.is_constant(node.input[2]) else None

    def apply(self, graph: Graph, node: onnx.NodeProto, match: Geometry) -> None:
        """Rewrite it."""
        source, result, stride = node.input[0], node.output[0], match.strides[0]
        weights = graph.constant(node.input[1])
        assert weights is not None
        axes = [_Axis(match, index) for index in (0, 1)]
        kernel = _phases(weights, match, axes)
        names = [source, graph.store(kernel, f"{result}_weight")]
        if len(node.input) > 2 and node.input[2]:
            bias = graph.constant(node.input[2])
            assert bias is not None
            repeat = np.tile if match.group == 1 else np.repeat
            names.append(graph.store(repeat(bias, stride * stride), f"{result}_bias"))
        graph.remove(node)
        steps: list[tuple[str, list[str], dict[str, Any]]] = []
        pads = [axis.before for axis in axes] + [axis.after for axis in axes]
        shape = {"kernel_shape": list(kernel.shape[2:]), "pads": pads, "group": match.group}
        steps.append(("Conv", names, shape))
        if stride > 1:
            mode = "DCR" if match.group == 1 else "CRD"
            steps.append(("DepthToSpace", [], {"blocksize": stride, "mode": mode}))
        if any(axis.cut for axis in axes):
            ends = [-axis.cut if axis.cut else np.iinfo(np.int64).max for axis in axes]
            bounds = [[0, 0], ends, [2, 3]]
            stored = [graph.store(np.array(row, np.int64), f"{result}_cut") for row in bounds]
            steps.append(("Slice", stored, {}))
        value = ""
        for index, (kind, inputs, attrs) in enumerate(steps):
            given = inputs if index == 0 else [value, *inputs]
            output = result if index == len(steps) - 1 else None
            value = graph.add(kind, given, output=output, hint=result, **attrs)


class _Axis:
    """One axis of the convolution: offsets first..last, its pads, and how much is cut off."""

    def __init__(self, geometry: Geometry, index: int) -> None:
        stride, pad = geometry.strides[index], geometry.before[index]
        taps = (geometry.kernel[index] - 1) * geometry.dilations[index] + 1
        # Pads are not negative: the kernel grows by zeros instead.
        self.first = min(0, -((taps - 1 - pad) // stride))
        longer = taps + geometry.extra[index] - stride - pad - geometry.after[index]
        grown = -(-longer // stride)  # how many more phases-of-s than inputs
        self.last = max(0, (stride - 1 + pad) // stride)
        self.before, self.after = -self.first, max(0, grown + self.last)
        made = self.after - self.last
        self.cut = made * stride - longer


def _phases(weights: NDArray[Any], geometry: Geometry, axes: list[_Axis]) -> NDArray[Any]:
    """Return the kernel of the convolution: (s * s * outputs, inputs / group, rows, columns)."""
    stride, group = geometry.strides[0], geometry.group
    inputs, per_group = weights.shape[:2]
    rows, columns = (axis.last - axis.first + 1 for axis in axes)
    kernel = np.zeros(
        (group, stride, stride, per_group, inputs // group, rows, columns), weights.dtype
    )
    split = weights.reshape(group, inputs // group, per_group, *weights.shape[2:])
    taps = [_taps(geometry, axes[index], index) for index in (0, 1)]
    for phase_y, row, tap_y in taps[0]:
        for phase_x, column, tap_x in taps[1]:
            part = split[:, :, :, tap_y, tap_x].transpose(0, 2, 1)
            kernel[:, phase_y, phase_x, :, :, row, column] = part
    if group > 1:  # the groups' channels must lie together: phases last
        kernel = kernel.transpose(0, 3, 1, 2, 4, 5, 6)
    return kernel.reshape(-1, inputs // group, rows, columns)


def _taps(geometry: Geometry, axis: _Axis, index: int) -> list[tuple[int, int, int]]:
    """Return (phase, place in the new kernel, tap of the old one) for all that exist."""
    stride, pad, step = geometry.strides[index], geometry.before[index], geometry.dilations[index]
    found = []
    for phase in range(stride):
        for offset in range(axis.first, axis.last + 1):
            tap = phase + pad - stride * offset
            if tap % step == 0 and 0 <= tap // step < geometry.kernel[index]:
                found.append((phase, offset - axis.first, tap // step))
    return found
