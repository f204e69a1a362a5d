"""XNNPACK and the CPU kernels of ONNX Runtime on ARM: does the model stay where it is quick?

The rules are what both want of a model for a Raspberry Pi or another 64-bit ARM board: signed
8-bit values, symmetric weights with a scale per output, 32-bit biases, and no operator in an 8-bit
chain that is computed in float after all. Half precision is a way to store weights: a Cortex-A76
would compute in it, and has been seen to lose 24 dB; a Cortex-A72 cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import TensorProto

from quantize.checks.finding import Finding
from quantize.checks.view import DQ, Q, View, label

__all__ = ["NAME", "RULES", "check", "verdict"]

NAME = "xnnpack"

RULES: Mapping[str, str] = {
    "static shape": "every size is known before the model runs",
    "explicit Q/DQ": "8-bit operators are written as Q and DQ; nothing is quantized while it runs",
    "operator": "every operator is a standard one, without subgraphs",
    "signed": "activations are int8 with one scale above 0",
    "symmetric weights": "weights are stored as int8 with zero point 0, a scale per output",
    "whole layer": "an 8-bit layer reads and gives 8-bit values, and its bias has 32 bits",
    "stays in int8": "what stands between DQ and Q has an 8-bit kernel",
    "float32": "half precision is stored and not computed with",
}

_KERNELS = frozenset(
    {
        "Add",
        "AveragePool",
        "Clip",
        "Concat",
        "Conv",
        "DepthToSpace",
        "Flatten",
        "Gather",
        "Gemm",
        "GlobalAveragePool",
        "Identity",
        "LeakyRelu",
        "MatMul",
        "MaxPool",
        "Mul",
        "Relu",
        "Reshape",
        "Resize",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators with an 8-bit kernel in ONNX Runtime or LiteRT, or that only move values."""

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_INTEGER = ("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger")
_AGAIN = "quantize with --target raspberry_pi"


def check(view: View) -> list[Finding]:
    """Check a model against the rules of `RULES`.

    Args:
        view: the model.

    Returns:
        The findings, in the order of the graph.
    """
    found: list[Finding] = []
    for node in view.nodes:
        for rule in (_shape, _operator, _pair, _layer, _stays, _half):
            found.extend(rule(view, node))
    return found


def verdict(findings: list[Finding], view: View) -> str:
    """Say in one sentence what the check came to."""
    layers = [node for node in view.nodes if node.op_type in _LAYERS]
    whole = sum(view.is_unit(node) for node in layers)
    said = f"{whole} of {len(layers)} layers in 8 bits" if whole else f"{len(layers)} float layers"
    if findings:
        return f"{len(findings)} findings for XNNPACK and ARM's CPU kernels ({said})"
    return f"no known blocker for XNNPACK and ARM's CPU kernels ({said})"


def _finding(rule: str, node: onnx.NodeProto, problem: str, fix: str) -> Finding:
    return Finding(NAME, rule, label(node), node.op_type, problem, fix)


def _shape(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    for name in view.computed(node):
        if not view.is_static(name):
            fix = "fix the input's shape on the model's card ([input] shape)"
            yield _finding("static shape", node, f"the size of its input '{name}' is open", fix)
            return


def _operator(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type.startswith("QLinear") or node.op_type in _INTEGER:
        yield _finding("explicit Q/DQ", node, "it is an integer operator", _AGAIN)
    elif not view.is_standard(node):
        fix = "export with standard operators"
        yield _finding("operator", node, f"it is of the domain {node.domain}", fix)


def _pair(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check the numbers of a Q or DQ."""
    if node.op_type not in (Q, DQ):
        return
    stored = node.op_type == DQ and view.weight_source(node.output[0]) is not None
    kind = view.integers(node)
    if stored and kind == TensorProto.INT32:
        return  # a bias
    rule = "symmetric weights" if stored else "signed"
    if kind != TensorProto.INT8:
        name = TensorProto.DataType.Name(kind).lower()
        yield _finding(rule, node, f"its integers are {name}, not int8", _AGAIN)
    trouble = view.scale_trouble(node)
    scale, zero = view.value(node.input[1]), view.zero_point(node)
    if trouble:
        yield _finding(rule, node, trouble, _AGAIN)
    elif not stored and scale is not None and scale.size > 1:
        yield _finding(rule, node, "activations have one scale, not one per channel", _AGAIN)
    if stored and zero is not None and zero.any():
        yield _finding(rule, node, "its zero point is not 0", _AGAIN)


def _layer(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check that an 8-bit layer is one on all sides."""
    if node.op_type not in _LAYERS:
        return
    weight = view.weight_source(node.input[1])
    rounded = node.input[0] in view.rounded_inputs(node)
    if weight is None:
        if rounded and view.is_fixed(node.input[1]) and view.quantizers(node):
            problem = "it stands between DQ and Q and its weight is float: the engine quantizes it"
            yield _finding("whole layer", node, problem, _AGAIN)
        return
    scale = view.value(weight.input[1])
    shape = view.graph.static_shape(node.input[1])
    axis = 1 if node.op_type == "ConvTranspose" else 0
    many = node.op_type == "Conv" and shape is not None and shape[axis] > 1
    if many and scale is not None and scale.size == 1:
        problem = "its weight has one scale for all outputs"
        yield _finding("symmetric weights", node, problem, "set per_channel = true in the recipe")
    if not rounded or (node.op_type != "Conv" and not _whole_bias(view, node)):
        return  # its weight is only stored in 8 bits
    if not view.quantizers(node):
        problem = "it reads 8-bit values and gives float ones: it computes in float"
        yield _finding("whole layer", node, problem, "set quantize_outputs = true in the recipe")
    yield from _bias(view, node, weight)


def _whole_bias(view: View, node: onnx.NodeProto) -> bool:
    return len(node.input) > 2 and view.weight_source(node.input[2]) is not None


def _bias(view: View, node: onnx.NodeProto, weight: onnx.NodeProto) -> Iterator[Finding]:
    if len(node.input) < 3 or not node.input[2]:
        return
    bias, data = view.weight_source(node.input[2]), view.dequantizer(node.input[0])
    if bias is None or view.integers(bias) != TensorProto.INT32:
        problem = "its bias does not have 32 bits"
        yield _finding("whole layer", node, problem, "set quantize_biases = true in the recipe")
        return
    scales = [view.value(one.input[1]) for one in (data, weight, bias) if one is not None]
    if any(scale is None for scale in scales) or len(scales) != 3:
        return
    first, second, third = (np.asarray(scale, np.float64) for scale in scales)
    if not np.allclose(first * second, third, rtol=1e-4, atol=0):
        problem = "its bias has another scale than input times weight"
        yield _finding("whole layer", node, problem, _AGAIN)


def _stays(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check that what is put between DQ and Q is computed in 8 bits there."""
    if node.op_type in _KERNELS or not view.is_unit(node):
        return
    if node.op_type == "Pad" and view.attributes(node).get("mode", "constant") == "constant":
        return
    fix = {
        "PRelu": "the pass prelu_exact rewrites it",
        "Pad": "the pass reflect_pad or edge_pad rewrites it",
    }.get(node.op_type, "leave one side of it float (float_layers in the recipe)")
    problem = "it stands between DQ and Q and has no 8-bit kernel: it is computed in float"
    yield _finding("stays in int8", node, problem, fix)


def _half(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    kinds = [view.graph.element(name) for name in view.computed(node)]
    if TensorProto.FLOAT16 in kinds or TensorProto.BFLOAT16 in kinds:
        fix = "convert with --precision fp16 --target raspberry_pi, which stores halves alone"
        yield _finding("float32", node, "it computes in half precision", fix)
