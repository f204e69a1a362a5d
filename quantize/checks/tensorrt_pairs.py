"""TensorRT's rules for QuantizeLinear and DequantizeLinear: their numbers, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto

from quantize.checks.finding import Finding
from quantize.checks.tensorrt_common import finding
from quantize.checks.view import DQ, Q, View

__all__ = ["in_pairs", "placed", "symmetric"]

_SYMMETRIC, _PLACEMENT = "2 symmetric", "4 placement"
_FUSED = ("Add", "BatchNormalization", "Clip", "LeakyRelu", "Relu")
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_AGAIN = "quantize with --target jetson"


def symmetric(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check integers, zero point, scale and axis of a Q or DQ."""
    if node.op_type == DQ and view.integers(node) == TensorProto.INT32:
        return  # a bias, which another rule finds
    kind, zero = view.integers(node), view.zero_point(node)
    if kind != TensorProto.INT8:
        name = TensorProto.DataType.Name(kind).lower()
        yield finding(_SYMMETRIC, node, f"its integers are {name}, not int8", _AGAIN)
    elif zero is not None and zero.any():
        yield finding(_SYMMETRIC, node, "its zero point is not 0", _AGAIN)
    trouble = view.scale_trouble(node)
    if trouble:
        yield finding(_SYMMETRIC, node, trouble, _AGAIN)
        return
    if view.graph.element(node.input[1]) not in (0, TensorProto.FLOAT, TensorProto.FLOAT16):
        yield finding(_SYMMETRIC, node, "its scale is neither float32 nor float16", _AGAIN)
    scale = view.value(node.input[1])
    if scale is None or scale.size == 1:
        return
    stored = node.op_type == DQ and view.weight_source(node.output[0]) is not None
    if not stored:
        yield finding(_SYMMETRIC, node, "activations have one scale, not one per channel", _AGAIN)
        return
    axis = int(view.attributes(node).get("axis", 1))
    for user in view.graph.users(node.output[0]):
        wanted = 1 if user.op_type == "ConvTranspose" else 0
        if user.op_type in ("Conv", "ConvTranspose") and axis != wanted:
            problem = f"its scales lie along axis {axis}, {user.op_type} wants {wanted}"
            yield finding(_SYMMETRIC, node, problem, _AGAIN)


def in_pairs(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check that a Q is read by DQ alone."""
    if node.op_type != Q:
        return
    result = node.output[0]
    users = view.graph.users(result)
    if result in view.graph.outputs:
        yield finding(
            _PLACEMENT, node, "its result is an output", "put a DequantizeLinear behind it"
        )
    elif not users or any(user.op_type != DQ for user in users):
        problem = "something else than DequantizeLinear reads it"
        yield finding(_PLACEMENT, node, problem, "put a DequantizeLinear behind it")


def placed(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check the Q and DQ around an operator."""
    rounded = view.rounded_inputs(node)
    if node.op_type in _LAYERS:
        weight = view.weight_source(node.input[1]) is not None
        stored = weight or view.is_fixed(node.input[1])
        if weight and node.input[0] not in rounded:
            problem = "its weight is 8-bit and what it reads is not: it would compute in float"
            fix = "quantize both, or neither (gemm_weights, float_weights)"
            yield finding(_PLACEMENT, node, problem, fix)
        if stored and not weight and node.input[0] in rounded:
            problem = "what it reads is 8-bit and its weight is not"
            yield finding(_PLACEMENT, node, problem, "quantize both, or neither")
        yield from _between(view, node)
    computed = view.computed(node)
    if node.op_type == "Add" and len(computed) == 2 and len(rounded) == 1:
        fix = "quantize both of its inputs, or neither"
        yield finding(_PLACEMENT, node, "one of its two branches is 8-bit", fix)


def _between(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Find Q and DQ that keep a convolution from what it would be fused with."""
    if node.op_type not in ("Conv", "ConvTranspose"):
        return
    for quantizer in view.quantizers(node):
        for back in view.graph.users(quantizer.output[0]):
            for user in view.graph.users(back.output[0]):
                if user.op_type in _FUSED:
                    problem = f"Q and DQ stand between it and the {user.op_type} behind it"
                    fix = "round only what layers read: quantize_outputs = false"
                    yield finding(_PLACEMENT, node, problem, fix)
                    return
