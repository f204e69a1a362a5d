"""Factors that only the run knows, around a convolution: into its weights, which are fewer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite
from quantize.passes.fold_batchnorm import Vector, affine_of


@dataclass(frozen=True, slots=True)
class _Factors:
    """What stands around a convolution.

    Attributes:
        source: what is convolved, without its factor.
        before: the factor per input channel, (1, C, 1, 1); empty where there is none.
        behind: the factor per output channel, (1, O, 1, 1); empty where there is none.
        gain: stored factor per output behind that.
        shift: stored number per output behind that.
        nodes: those that go, the last of which makes the result.
    """

    source: str
    before: str
    behind: str
    gain: Vector
    shift: Vector
    nodes: tuple[onnx.NodeProto, ...]


class ModulatedWeights(Rewrite[_Factors]):
    """Multiply the weights of a modulated convolution, not the values that it reads and gives.

    The values of a picture are many, and every factor by the way takes them out of the blocked
    layout in which ONNX Runtime convolves, and back into it.

    1. Conv(x * s, W) with s computed, one number per channel -> Conv(x, W * s).
    2. Conv(x, W) * d with d computed, one number per output -> Conv(x, W * d).
    3. A BatchNormalization of stored numbers behind case 2: W times its gain, and its shift as
       the bias.
    4. Convolutions in groups or with a bias, batches, stored factors, what others read too, and
       weights of more numbers than there are values: left alone.
    """

    name: ClassVar[str] = "modulated_weights"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Factors | None:
        """Find a convolution with a factor that is computed before or behind it."""
        if not _plain(graph, node):
            return None
        outputs = (graph.static_shape(node.input[1]) or (0,))[0]
        source, before, nodes = str(node.input[0]), "", [node]
        factor = graph.maker(source, "Mul")
        if factor is not None and graph.only_user(source) is not None:
            found = _split(graph, factor)
            if found is not None:
                source, before = found
                nodes.insert(0, factor)
        behind, gain, shift = "", np.ones(outputs), np.zeros(outputs)
        user = graph.only_user(node.output[0])
        if user is not None and user.op_type == "Mul":
            found = _split(graph, user)
            if found is not None and found[0] == node.output[0]:
                behind = found[1]
                nodes.append(user)
                norm = graph.only_user(user.output[0])
                if norm is not None and norm.op_type == "BatchNormalization":
                    affine = affine_of(graph, norm, 0, outputs)
                    if affine is not None:
                        gain, shift = affine
                        nodes.append(norm)
        if not before and not behind:
            return None
        return _Factors(source, before, behind, gain, shift, tuple(nodes))

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Factors) -> None:
        """Write the weights out."""
        stored, hint = graph.constant(node.input[1]), str(node.output[0])
        assert stored is not None
        sizes = (len(stored), 1, 1, 1)
        scaled = (stored * match.gain.reshape(sizes)).astype(stored.dtype)
        weight = (
            graph.store(scaled, f"{hint}_weight") if np.any(match.gain != 1) else str(node.input[1])
        )
        given = attributes(node)
        graph.remove(*match.nodes)
        if match.before:
            weight = graph.add("Mul", [weight, match.before], hint=f"{hint}_before")
        if match.behind:
            rows = graph.store(np.array(sizes, np.int64), f"{hint}_rows")
            column = graph.add("Reshape", [match.behind, rows], hint=f"{hint}_behind")
            weight = graph.add("Mul", [weight, column], hint=f"{hint}_behind")
        inputs = [match.source, weight]
        if np.any(match.shift):
            inputs.append(graph.store(match.shift.astype(stored.dtype), f"{hint}_bias"))
        graph.add("Conv", inputs, output=str(match.nodes[-1].output[0]), **given)


def _plain(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node is a convolution of one picture whose weights are worth multiplying."""
    if node.op_type != "Conv" or len([name for name in node.input if name]) != 2:
        return False
    weights, values = graph.static_shape(node.input[1]), graph.static_shape(node.input[0])
    if weights is None or values is None or len(values) != 4 or values[0] != 1:
        return False
    if attributes(node).get("group", 1) != 1 or not graph.is_constant(node.input[1]):
        return False
    return math.prod(weights) <= math.prod(values)


def _split(graph: Graph, node: onnx.NodeProto) -> tuple[str, str] | None:
    """Return what a Mul multiplies, and its factor: one computed number per channel."""
    for value, factor in ((0, 1), (1, 0)):
        names = str(node.input[value]), str(node.input[factor])
        shape, whole = graph.static_shape(names[1]), graph.static_shape(names[0])
        if shape is None or whole is None or len(whole) != 4 or graph.is_constant(names[1]):
            continue
        if shape == (1, whole[1], 1, 1) and whole != shape:
            return names
    return None
