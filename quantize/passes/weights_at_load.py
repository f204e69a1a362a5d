"""8-bit weights that are computed with in float: made float once, when the model is loaded."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes.base import Rewrite

_Q, _DQ = "QuantizeLinear", "DequantizeLinear"


class WeightsAtLoad(Rewrite["NDArray[np.float32]"]):
    """Write the float weight of a convolution as a Cast and a Mul of what is stored.

    ONNX Runtime keeps DequantizeLinear apart for its 8-bit kernels, and runs it in each inference.
    Cast and Mul of stored values it computes when it loads the model: then the convolution has a
    constant weight as any other, in the layout that is quick, and the file alone is small.

    1. DequantizeLinear(stored int8, scale) that convolutions alone read as their weight, none of
       which stands between two roundings -> Mul(Cast(int8), scale).
    2. Weights of 8-bit convolutions, other operators' weights, zero points other than 0, and scales
       per block: left alone.
    """

    name: ClassVar[str] = "weights_at_load"
    tolerance: ClassVar[float] = 0.0

    def match(self, graph: Graph, node: onnx.NodeProto) -> NDArray[np.float32] | None:
        """Find a weight that is computed with in float; return its scale, laid along its axis."""
        if node.op_type != _DQ or not graph.is_constant(node.input[0]):
            return None
        shape, scale = graph.static_shape(node.input[0]), graph.constant(node.input[1])
        if graph.element(node.input[0]) != TensorProto.INT8 or shape is None or scale is None:
            return None
        zero = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        users = graph.users(node.output[0])
        if (zero is not None and zero.any()) or node.output[0] in graph.outputs or not users:
            return None
        if not all(_computes_in_float(graph, user, node.output[0]) for user in users):
            return None
        given = attributes(node)
        if given.get("block_size", 0):
            return None
        axis = int(given.get("axis", 1)) % len(shape)
        sizes = [-1 if index == axis else 1 for index in range(len(shape))]
        return np.asarray(scale, np.float32).reshape(sizes if scale.ndim else ())

    def apply(self, graph: Graph, node: onnx.NodeProto, match: NDArray[np.float32]) -> None:
        """Write Cast and Mul."""
        integers, weight = node.input[0], node.output[0]
        scale = graph.store(match, f"{weight}_scale")
        graph.remove(node)
        wide = graph.add("Cast", [integers], hint=integers, to=TensorProto.FLOAT)
        graph.add("Mul", [wide, scale], output=weight)


def _computes_in_float(graph: Graph, node: onnx.NodeProto, weight: str) -> bool:
    """Return whether a node is a convolution with this weight that engines do not make 8-bit."""
    if node.op_type != "Conv" or list(node.input).index(weight) != 1:
        return False
    rounded = graph.maker(node.input[0], _DQ) is not None
    return not (rounded and any(user.op_type == _Q for user in graph.users(node.output[0])))
