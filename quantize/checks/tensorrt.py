"""TensorRT: does anything in the model stand in the way of its parser, or of its 8-bit fusions?

TensorRT needs an NVIDIA GPU even to parse, so these are rules read from its documentation: the
operators of onnx-tensorrt (docs/operators.md), explicit quantization and strong typing in the
developer guide of TensorRT 10 and 11, and issues where users met the limits. A model without a
finding has no known blocker; whether it runs, and how fast, the board says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto

from quantize.checks import tensorrt_half, tensorrt_pairs
from quantize.checks.finding import Finding
from quantize.checks.tensorrt_common import NAME, finding
from quantize.checks.view import DQ, Q, View
from quantize.targets import Format, Release

__all__ = ["DEFAULT_RELEASES", "NAME", "RULES", "check", "verdict"]

RULES: Mapping[str, str] = {
    "1 explicit Q/DQ": "8-bit operators are written as Q and DQ, never as QLinearConv and the like",
    "2 symmetric": "Q and DQ are int8 with zero point 0 and scales above 0, per output of weights",
    "3 weights stored": "weights are stored, as float or as int8 behind DQ; biases are float",
    "4 placement": "Q and DQ stand around the inputs of layers, in pairs, and split no fusion",
    "5 opset": "opset and file are ones that every release reads, and not optimised before",
    "6 norms": "norms have stored parameters, 3 to 5 axes, and compute in float32",
    "7 resize": "Resize is nearest, linear or cubic, its coordinates known, its scales stored",
    "8 pad": "Pad is constant, reflect or edge with stored amounts, and reflects no 8-bit values",
    "9 operators": "no operator, type or number that TensorRT has not",
    "10 static": "all sizes are known, no input without a name but Resize's roi, no subgraphs",
    "11 half precision": "half precision is finite, without norms and sums, not cast to and fro",
}


DEFAULT_RELEASES: tuple[Release, ...] = (Release("TensorRT 10", (9, 20), 10),)

_QOPERATORS = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLinear",
        "MatMulInteger",
        "QGemm",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearConv",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMatMul",
        "QLinearMul",
        "QLinearSigmoid",
        "DynamicQuantizeMatMul",
    }
)
_NOT_THERE = frozenset(
    {
        "BitShift",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Compress",
        "Det",
        "MaxRoiPool",
        "MaxUnpool",
        "Multinomial",
        "NonZero",
        "OneHot",
        "Optional",
        "OptionalGetElement",
        "OptionalHasElement",
        "RandomNormal",
        "RoiAlign",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "SplitToSequence",
        "StringConcat",
        "StringNormalizer",
        "StringSplit",
        "TfIdfVectorizer",
        "Unique",
    }
)
_CONTROL = ("If", "Loop", "Scan")
_COORDINATES = (
    "align_corners",
    "asymmetric",
    "half_pixel",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
)
_INT32 = np.iinfo(np.int32)

_Rule = Callable[[View, onnx.NodeProto], Iterator[Finding]]


def check(
    view: View, releases: Sequence[Release] = DEFAULT_RELEASES, form: Format = "onnx"
) -> list[Finding]:
    """Check a model against the eleven rules of `RULES`.

    Args:
        view: the model.
        releases: of the software that it must run on.
        form: the format that it is shipped in.

    Returns:
        The findings, rule by rule, each in the order of the graph.
    """
    found = list(_opset(view, releases))
    if form != "onnx":
        problem = f"a .{form} file has been optimised by another engine"
        fix = "write it as --format onnx: TensorRT does its own rewriting"
        found.append(Finding(NAME, "5 opset", "", "", problem, fix))
    found += _open_inputs(view)
    for rule in _BY_NODE:
        for node in view.nodes:
            found.extend(rule(view, node))
    found += tensorrt_half.stored(view)
    return sorted(found, key=lambda one: int(one.rule.split()[0]))


def verdict(findings: Sequence[Finding], releases: Sequence[Release] = DEFAULT_RELEASES) -> str:
    """Say in one sentence what the check came to; never that a model runs."""
    names = ", ".join(release.name for release in releases)
    if not findings:
        return f"no known blocker for TensorRT ({names}); nothing was run: the board decides"
    rules = sorted({one.rule for one in findings}, key=lambda rule: int(rule.split()[0]))
    return f"{len(findings)} findings for TensorRT ({names}), by rule: {'; '.join(rules)}"


def _explicit(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type in _QOPERATORS:
        fix = "quantize with --target jetson, which writes Q and DQ"
        yield finding("1 explicit Q/DQ", node, "TensorRT has no integer operators", fix)


def _opset(view: View, releases: Sequence[Release]) -> Iterator[Finding]:
    opset, version = view.graph.opset, view.model.ir_version
    for release in releases:
        oldest, newest = release.opset
        if not oldest <= opset <= newest:
            problem = f"{release.name} reads opset {oldest} to {newest}, this is {opset}"
            fix = "export with opset 17"
            yield Finding(NAME, "5 opset", "", "", problem, fix)
        if version > release.ir_version:
            problem = (
                f"{release.name} reads files up to version {release.ir_version}, not {version}"
            )
            fix = "save it with an older ir_version"
            yield Finding(NAME, "5 opset", "", "", problem, fix)


def _norms(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type not in ("InstanceNormalization", "GroupNormalization", "LayerNormalization"):
        return
    rule = "6 norms"
    if not all(view.is_fixed(name) for name in node.input[1:]):
        fix = "bake the identity, or let the pass unfuse_instance_norm write the norm out"
        yield finding(rule, node, "its scale or bias is computed", fix)
    rank = view.rank(node.input[0])
    if node.op_type == "InstanceNormalization" and rank is not None and not 3 <= rank <= 5:
        yield finding(rule, node, f"it has {rank} axes", "reshape to 3, 4 or 5 axes around it")
    if view.graph.element(node.input[0]) not in (0, TensorProto.FLOAT):
        fix = "keep it float32 (edge quantize does): its sums pass 65504"
        yield finding(rule, node, "it does not compute in float32", fix)
    if view.rounded_inputs(node) or (view.quantizers(node) and view.is_unit(node)):
        yield finding(rule, node, "it reads 8-bit values", "leave norms out of quantization")


def _resize(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type not in ("Resize", "Upsample"):
        return
    values = view.attributes(node)
    fix = "export it as linear with half_pixel, or nearest with asymmetric coordinates"
    mode = values.get("mode", "nearest")
    coordinates = values.get("coordinate_transformation_mode", "half_pixel")
    rounding = values.get("nearest_mode", "round_prefer_floor")
    if mode not in ("nearest", "linear", "cubic"):
        yield finding("7 resize", node, f"its mode is {mode}", fix)
    if coordinates not in _COORDINATES:
        yield finding("7 resize", node, f"its coordinates are {coordinates}", fix)
    if mode == "nearest" and rounding not in (
        "floor",
        "ceil",
        "round_prefer_floor",
        "round_prefer_ceil",
    ):
        yield finding("7 resize", node, f"it rounds by {rounding}", fix)
    if values.get("antialias", 0):
        yield finding("7 resize", node, "it smooths (antialias)", fix)
    if not all(view.is_fixed(name) for name in node.input[1:]):
        yield finding("7 resize", node, "its scales or sizes are computed", "fix the input's shape")


def _pad(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type != "Pad":
        return
    mode = view.attributes(node).get("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        yield finding(
            "8 pad", node, f"its mode is {mode}", "export it as constant, reflect or edge"
        )
    if not all(view.is_fixed(name) for name in node.input[1:]):
        yield finding("8 pad", node, "its amounts are computed", "fix the input's shape")
    if mode == "reflect" and view.is_unit(node):
        fix = "leave it float, or let the pass reflect_pad rewrite it"
        yield finding("8 pad", node, "it reflects 8-bit values", fix)


def _operators(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    rule = "9 operators"
    if not view.is_standard(node):
        if node.op_type not in _QOPERATORS:
            fix = "export with standard operators, and give TensorRT no optimised model"
            yield finding(rule, node, f"it is of the domain {node.domain}", fix)
    elif node.op_type in _NOT_THERE:
        yield finding(rule, node, "TensorRT has no such operator", "export another one there")
    if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1]:
        yield finding(rule, node, "it gives indices", "leave its second output out")
    elements = [view.graph.element(name) for name in [*node.input, *node.output] if name]
    if TensorProto.DOUBLE in elements:
        yield finding(rule, node, "it computes in float64", "cast to float32 before the export")
    for index, name in enumerate(node.input):
        if view.graph.element(name) != TensorProto.INT64 or not view.is_fixed(name):
            continue
        value = view.value(name)
        # The open end of a Slice is clamped, and means the same then.
        if value is None or not value.size or (node.op_type == "Slice" and index == 2):
            continue
        if value.max() > _INT32.max or value.min() < _INT32.min:
            yield finding(rule, node, f"input {index} does not fit 32 bits", "use smaller numbers")


def _open_inputs(view: View) -> Iterator[Finding]:
    fix = "fix the input's shape on the model's card ([input] shape)"
    for name in view.graph.inputs:
        if view.graph.static_shape(name) is None:
            yield Finding(NAME, "10 static", name, "", "this input has open sizes", fix)


def _static(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    rule, fix = "10 static", "fix the input's shape, and let the pass debris clean up"
    if node.op_type in _CONTROL:
        yield finding(rule, node, "it holds a subgraph", "export without If, Loop and Scan")
    for name in node.output:
        if name and view.graph.static_shape(name) is None:
            yield finding(rule, node, f"the size of '{name}' is not known", fix)
            break
    for index, name in enumerate(node.input):
        if not name and not (node.op_type == "Resize" and index == 1):
            problem = f"input {index} has no name"
            yield finding(rule, node, problem, "state every input, or fewer of them")


def _weights(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    rule = "3 weights stored"
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm"):
        return
    weight = node.input[1]
    stored = view.is_fixed(weight) or view.weight_source(weight) is not None
    if not stored and node.op_type != "Gemm":
        fix = "bake the identity into the model (edge quantize --bake)"
        yield finding(rule, node, "its weight is computed", fix)
    if len(node.input) > 2 and node.input[2]:
        bias = node.input[2]
        if view.dequantizer(bias) is not None:
            fix = "quantize with --target jetson: quantize_biases = false"
            yield finding(rule, node, "its bias is quantized", fix)
        elif not view.is_fixed(bias) and node.op_type != "Gemm":
            yield finding(rule, node, "its bias is computed", "bake the identity into the model")


def _pairs(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    if node.op_type in (Q, DQ):
        yield from tensorrt_pairs.symmetric(view, node)
        yield from tensorrt_pairs.in_pairs(view, node)
    else:
        yield from tensorrt_pairs.placed(view, node)


_BY_NODE: tuple[_Rule, ...] = (
    _explicit,
    _pairs,
    _weights,
    _norms,
    _resize,
    _pad,
    _operators,
    _static,
    tensorrt_half.computed,
)
