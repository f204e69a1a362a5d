"""TensorRT's rule for half precision: the types in the graph are final, so they must be safe."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from quantize.checks.finding import Finding
from quantize.checks.tensorrt_common import NAME, finding
from quantize.checks.view import View

__all__ = ["computed", "stored"]

_RULE = "11 half precision"
_FIX = "convert with edge quantize --precision fp16, which keeps it float32"

_NOT_IN_HALF = frozenset(
    {
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LpNormalization",
        "Pow",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceMean",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Softmax",
        "Sqrt",
    }
)
"""What sums many values, squares them, or divides by what is small."""


def computed(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check that a node does not compute in half precision what it must not."""
    kinds = [view.graph.element(name) for name in view.computed(node)]
    if node.op_type in _NOT_IN_HALF and TensorProto.FLOAT16 in kinds:
        yield finding(_RULE, node, "it computes in half precision", _FIX)
    if node.op_type != "Cast" or kinds != [TensorProto.FLOAT]:
        return
    users = view.graph.users(node.output[0])
    half = view.graph.element(node.output[0]) == TensorProto.FLOAT16
    back = users and all(user.op_type == "Cast" for user in users)
    if half and back and node.output[0] not in view.graph.outputs:
        problem = "it casts to half precision what is cast back at once"
        yield finding(_RULE, node, problem, "take out both casts")


def stored(view: View) -> Iterator[Finding]:
    """Check that the weights in half precision are finite, and not flushed to 0."""
    layers = {
        name: node
        for node in view.nodes
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")
        for name in node.input[1:2]
    }
    for tensor in view.model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT16:
            continue
        value = numpy_helper.to_array(tensor)
        if not np.isfinite(value).all():
            problem = "this weight does not fit half precision (65504 at most)"
        elif tensor.name in layers and value.size and not value.any():
            problem = "this weight is 0 everywhere: half precision keeps nothing below 6e-8"
        else:
            continue
        yield Finding(NAME, _RULE, tensor.name, "", problem, _FIX)
