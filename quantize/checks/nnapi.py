"""NNAPI: will a phone's driver get the model in one piece?

The rules are those by which ONNX Runtime's NNAPI provider takes a node or leaves it: the list of
operators in its wheel (nnapi_supported_ops.md), and the conditions of its operator builders
(core/providers/nnapi/nnapi_builtin/builders). ONNX Runtime's own checker for mobile use, which
looks at operators and shapes alone, is run beside them and has to agree. A driver may still refuse
what the provider hands it: only the phone knows.

What the operators' list does not say, and the builders do:

* Only float32 values are taken, and uint8 ones between QuantizeLinear and DequantizeLinear. So
  float16 is no format for NNAPI, and signed weights stand before 8-bit convolutions alone.
* An operator with DequantizeLinear before and QuantizeLinear behind it is one 8-bit operation to
  the provider, and most operators have none: a LeakyRelu between two 8-bit convolutions cuts the
  model in two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
from onnx import TensorProto

from quantize.checks.finding import Finding
from quantize.checks.nnapi_operators import FIRST_API, LAST_API, OPERATORS, fix_for
from quantize.checks.nnapi_partitions import partitions, second_opinion
from quantize.checks.view import DQ, Q, View, label

__all__ = ["NAME", "RULES", "api_level", "check", "verdict"]

NAME = "nnapi"

RULES: Mapping[str, str] = {
    "operator": "NNAPI's provider in ONNX Runtime has the operator, in the form it has here",
    "float32": "values are float32, or uint8 between Q and DQ",
    "static shape": "every size is known before the model runs",
    "8-bit form": "activations in U8 with one scale; weights in U8, or in S8 with zero point 0",
    "8-bit operation": "what stands between DQ and Q is an operation that exists in 8 bits",
    "one partition": "all of the model is one piece: NNAPI is refused otherwise",
    "second opinion": "ONNX Runtime's own checker for mobile use finds one piece too",
}

_UNITS = frozenset(
    {
        "Add",
        "AveragePool",
        "Concat",
        "Conv",
        "Gemm",
        "MatMul",
        "Mul",
        "Reshape",
        "Resize",
        "Softmax",
        "Transpose",
    }
)
"""Operators that the provider takes together with the Q and DQ around them."""

# What ONNX Runtime takes for one operation with the DQ before and the Q behind it.
_GROUPED = _UNITS | {
    "Abs", "BatchNormalization", "Clip", "ConvTranspose", "DepthToSpace", "Div", "Elu", "Exp",
    "Expand", "Flatten", "Gather", "GlobalAveragePool", "GlobalMaxPool", "HardSwish",
    "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "LpNormalization", "Max", "Min", "Neg", "Pad", "Pow", "PRelu", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceSum", "Relu", "Sigmoid", "Sin", "Slice", "SpaceToDepth", "Split", "Sqrt",
    "Squeeze", "Sub", "Tanh", "Tile", "Unsqueeze", "Where",
}  # fmt: skip
_LAYERS = ("Conv", "Gemm", "MatMul")


def check(view: View) -> list[Finding]:
    """Check a model against the rules of `RULES`.

    Args:
        view: the model.

    Returns:
        The findings, in the order of the graph; last, where there are several pieces, how many.
    """
    found: list[Finding] = []
    broken: set[int] = set()
    for node in view.nodes:
        for finding in _look_at(view, node):
            found.append(finding)
            broken.add(id(node))
            if finding.rule == "8-bit operation":  # it takes its Q and DQ with it
                broken.update(map(id, view.quantizers(node)))
                broken.update(id(view.dequantizer(name)) for name in node.input)
    pieces = partitions(view, broken)
    if len(pieces) != 1 or broken:
        found.append(_several(view, broken, len(pieces)))
    else:
        found.extend(_other_opinion(view))
    return found


def verdict(findings: list[Finding], view: View) -> str:
    """Say in one sentence what the check came to."""
    nodes = len(view.nodes)
    if not findings:
        level = api_level(view)
        return (
            f"no known blocker for NNAPI: one partition with all {nodes} nodes, from API level "
            f"{level} to {LAST_API}; a driver may still refuse, and other phones take XNNPACK or "
            "LiteRT"
        )
    places = len({finding.node for finding in findings if finding.node})
    return (
        f"NNAPI is refused: {places} of {nodes} nodes are in the way of one partition; "
        "use XNNPACK or LiteRT"
    )


def api_level(view: View) -> int:
    """Return the Android API level from which NNAPI has all that a model uses (27 or more)."""
    levels = [FIRST_API]
    for node in view.nodes:
        known = OPERATORS.get(node.op_type)
        if known is not None:
            levels.append(known.level(view, node))
    return max(levels)


def _finding(rule: str, node: onnx.NodeProto, problem: str, fix: str) -> Finding:
    return Finding(NAME, rule, label(node), node.op_type, problem, fix)


def _look_at(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    known = OPERATORS.get(node.op_type) if view.is_standard(node) else None
    if known is None:
        yield _finding("operator", node, "NNAPI has no such operator", fix_for(node))
        return
    yield from _shapes(view, node)
    if node.op_type in (Q, DQ):
        yield from _alone(view, node)
        return
    if view.is_unit(node) and node.op_type in _GROUPED:
        yield from _unit(view, node)
        return
    kind = view.graph.element(node.input[0])
    if kind not in (0, TensorProto.FLOAT) and node.op_type not in ("Cast", "Gather"):
        name = TensorProto.DataType.Name(kind).lower()
        fix = "NNAPI computes in half precision by itself (USE_FP16): keep the model float32"
        yield _finding("float32", node, f"it reads {name}", fix)
    trouble = known.trouble(view, node)
    if trouble:
        yield _finding("operator", node, trouble, fix_for(node))


def _shapes(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    for name in view.computed(node):
        if not view.is_static(name):
            fix = "fix the input's shape on the model's card ([input] shape)"
            yield _finding("static shape", node, f"the size of its input '{name}' is open", fix)
            return


def _alone(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check a Q or DQ that is no part of an 8-bit operation."""
    neighbours = view.graph.users(node.output[0])
    if node.op_type == Q:
        maker = view.graph.maker(node.input[0])
        neighbours = [] if maker is None else [maker]
    if neighbours and all(view.is_unit(one) for one in neighbours):
        return
    trouble = view.scale_trouble(node)
    if trouble:
        yield _finding("8-bit form", node, trouble, "quantize again with --target android_nnapi")
    elif view.integers(node) != TensorProto.UINT8:
        kind = TensorProto.DataType.Name(view.integers(node)).lower()
        stored = view.weight_source(node.output[0]) is not None
        # Without any Q it is w8, for which there is no recipe.
        weights_alone = not any(other.op_type == Q for other in view.nodes)
        fix = (
            "take --precision int8 or fp16: NNAPI takes no 8-bit weights by themselves (w8)"
            if stored and weights_alone
            else 'store that weight as float (gemm_weights and float_weights = "float" in the '
            "recipe)"
            if stored
            else 'quantize with activations = "u8" (--target android_nnapi)'
        )
        yield _finding("8-bit form", node, f"it turns {kind} into float, or back", fix)


def _unit(view: View, node: onnx.NodeProto) -> Iterator[Finding]:
    """Check an operator with DQ before and Q behind it."""
    if node.op_type not in _UNITS:
        fix = f"leave one side of it float, or write it as several operators; {fix_for(node)}"
        problem = "it stands between DQ and Q, and NNAPI has no such operation in 8 bits"
        yield _finding("8-bit operation", node, problem, fix)
        return
    fix = "quantize with --target android_nnapi"
    for index, name in enumerate(node.input):
        source = view.dequantizer(name)
        if source is None:
            continue
        weight = node.op_type in _LAYERS and index == 1
        trouble = view.scale_trouble(source) or (
            _weight_trouble(view, source, node)
            if weight
            else _bias_trouble(view, source)
            if node.op_type in _LAYERS and index == 2
            else _activation_trouble(view, source)
        )
        if trouble:
            yield _finding("8-bit form", node, f"input {index}: {trouble}", fix)
    for quantizer in view.quantizers(node):
        trouble = view.scale_trouble(quantizer) or _activation_trouble(view, quantizer)
        if trouble:
            yield _finding("8-bit form", node, f"its result: {trouble}", fix)
    trouble = OPERATORS[node.op_type].trouble(view, node)
    if trouble:
        yield _finding("operator", node, trouble, fix_for(node))
    bias = node.input[2] if node.op_type in _LAYERS and len(node.input) > 2 else ""
    if bias and view.dequantizer(bias) is None:
        yield _finding("8-bit form", node, "its bias is float", fix)


def _activation_trouble(view: View, pair: onnx.NodeProto) -> str:
    if view.integers(pair) != TensorProto.UINT8:
        return "activations are not uint8"
    scale = view.value(pair.input[1])
    return "it has a scale per channel" if scale is not None and scale.size != 1 else ""


def _weight_trouble(view: View, source: onnx.NodeProto, layer: onnx.NodeProto) -> str:
    kind, zero = view.integers(source), view.zero_point(source)
    scale = view.value(source.input[1])
    many = scale is not None and scale.size > 1
    if not view.is_fixed(source.input[0]):
        return "the weight is computed"
    if kind == TensorProto.UINT8:
        return "unsigned weights have one scale" if many else ""
    if kind != TensorProto.INT8:
        return "the weight is neither int8 nor uint8"
    if zero is not None and zero.any():
        return "signed weights have the zero point 0"
    if many and layer.op_type != "Conv":
        return "only convolutions have a scale per channel"
    axis = int(view.attributes(source).get("axis", 1))
    return "the scales lie along another axis than the outputs" if many and axis != 0 else ""


def _bias_trouble(view: View, source: onnx.NodeProto) -> str:
    fits = view.integers(source) == TensorProto.INT32 and view.is_fixed(source.input[0])
    return "" if fits else "the bias is not stored as int32"


def _several(view: View, broken: set[int], pieces: int) -> Finding:
    nodes = [
        label(node) for node in view.nodes if id(node) in broken and node.op_type not in (Q, DQ)
    ]
    shown = ", ".join(nodes[:5]) + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")
    problem = f"NNAPI would get it in {pieces} pieces"
    if nodes:
        problem += f"; in the way: {shown}"
    fix = "mend those, or use XNNPACK or LiteRT: each piece costs a copy there and back"
    return Finding(NAME, "one partition", "", "", problem, fix)


def _other_opinion(view: View) -> Iterator[Finding]:
    opinion = second_opinion(view)
    if opinion:
        fix = "look at those operators, and report the difference: the two should agree"
        yield Finding(NAME, "second opinion", "", "", opinion, fix)
