"""What ONNX Runtime's NNAPI provider takes, operator by operator, and from which API level on.

The operators are those of nnapi_supported_ops.md in the wheel of ONNX Runtime 1.32, without its
QOperator ones; conditions and levels are those of the provider's operator builders. Android 8.1 is
API level 27, 9 is 28, 10 is 29, 11 is 30; NNAPI is deprecated from 35 (Android 15) on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from quantize.checks.view import View

__all__ = ["FIRST_API", "LAST_API", "OPERATORS", "Operator", "fix_for"]

FIRST_API, LAST_API = 27, 34

Trouble = Callable[[View, onnx.NodeProto], str]
Level = Callable[[View, onnx.NodeProto], int]

_MOST_AXES = 4


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        trouble: says what keeps the provider from a node of it; empty where nothing does.
        level: gives the API level that a node of it needs.
    """

    trouble: Trouble
    level: Level


def _fine(view: View, node: onnx.NodeProto) -> str:
    return ""


def _from(level: int) -> Level:
    return lambda view, node: level


def _few_axes(view: View, node: onnx.NodeProto) -> str:
    for name in node.input[:2]:
        rank = view.rank(name) if name else 0
        if rank is not None and rank > _MOST_AXES:
            return f"it has {rank} axes, NNAPI has {_MOST_AXES}"
    return ""


def _four_axes(view: View, node: onnx.NodeProto) -> str:
    rank = view.rank(node.input[0])
    return "" if rank in (None, _MOST_AXES) else "it is not two-dimensional"


def _conv(view: View, node: onnx.NodeProto) -> str:
    weight = node.input[1]
    unit = view.is_unit(node)
    if not view.is_fixed(weight) and not (unit and view.weight_source(weight) is not None):
        return "its weight is not stored as float, nor part of an 8-bit convolution"
    if view.rank(weight) not in (None, _MOST_AXES):
        return "it is not two-dimensional"
    values = view.attributes(node)
    shape = view.graph.shape(weight)
    grouped = int(values.get("group", 1)) != 1 and shape is not None and shape[1] != 1
    if grouped and any(step != 1 for step in values.get("dilations", ())):
        return "a grouped convolution has no dilations"
    return ""


def _conv_level(view: View, node: onnx.NodeProto) -> int:
    dilated = any(step != 1 for step in view.attributes(node).get("dilations", ()))
    return 29 if dilated or view.is_unit(node) else 28


def _gemm(view: View, node: onnx.NodeProto) -> str:
    values = view.attributes(node)
    if values.get("transA", 0) or values.get("alpha", 1.0) != 1.0 or values.get("beta", 1.0) != 1.0:
        return "only A * B' + C without factors is taken"
    weight = node.input[1]
    unit = view.is_unit(node) and view.weight_source(weight) is not None
    if not values.get("transB", 0) and not view.is_fixed(weight) and not unit:
        return "B is computed and not transposed"
    if not view.is_fixed(weight) and view.weight_source(weight) is not None and not unit:
        return "B is stored in 8 bits, the product is float"
    if any(view.rank(name) not in (None, 2) for name in node.input[:2]):
        return "it is not two-dimensional"
    return ""


def _matmul(view: View, node: onnx.NodeProto) -> str:
    if any(view.rank(name) not in (None, 2) for name in node.input[:2]):
        return "it is not two-dimensional"
    fixed = view.is_fixed(node.input[1]) or (
        view.is_unit(node) and view.weight_source(node.input[1]) is not None
    )
    return "" if fixed else "B is computed"


def _depth_to_space(view: View, node: onnx.NodeProto) -> str:
    mode = view.attributes(node).get("mode", "DCR")
    return _four_axes(view, node) or ("" if mode == "DCR" else f"its order is {mode}, not DCR")


def _pad(view: View, node: onnx.NodeProto) -> str:
    mode = view.attributes(node).get("mode", "constant")
    if mode != "constant":
        return f"its mode is {mode}, not constant"
    pads = view.value(node.input[1])
    if not all(view.is_fixed(name) for name in node.input[1:]):
        return "its amounts are computed"
    return "it cuts off (negative pads)" if pads is not None and np.any(pads < 0) else ""


def _resize(view: View, node: onnx.NodeProto) -> str:
    values = view.attributes(node)
    mode = values.get("mode", "nearest")
    coordinates = values.get("coordinate_transformation_mode", "half_pixel")
    if mode == "linear":
        if coordinates not in ("half_pixel", "align_corners", "asymmetric"):
            return f"linear with {coordinates} coordinates"
    elif mode == "nearest":
        rounding = values.get("nearest_mode", "round_prefer_floor")
        if coordinates != "asymmetric" or rounding != "floor":
            return "nearest with other than asymmetric coordinates rounded down"
    else:
        return f"its mode is {mode}"
    if values.get("exclude_outside", 0) or values.get("antialias", 0) or values.get("axes"):
        return "it excludes what is outside, smooths, or names axes"
    if not all(view.is_fixed(name) for name in node.input[1:]):
        return "its scales or sizes are computed"
    return _four_axes(view, node) or _resize_channels(view, node)


def _resize_channels(view: View, node: onnx.NodeProto) -> str:
    before, after = (view.graph.static_shape(name) for name in (node.input[0], node.output[0]))
    if before is None or after is None:
        return ""
    if before[:2] != after[:2]:
        return "it resizes the batch or the channels"
    if any(old > new and old % new for old, new in zip(before[2:], after[2:], strict=True)):
        return "it makes smaller by no whole factor"
    return ""


def _resize_level(view: View, node: onnx.NodeProto) -> int:
    values = view.attributes(node)
    coordinates = values.get("coordinate_transformation_mode", "half_pixel")
    placed = values.get("mode", "nearest") == "linear" and coordinates != "asymmetric"
    return 30 if placed else 29


def _slice(view: View, node: onnx.NodeProto) -> str:
    if not all(view.is_fixed(name) for name in node.input[1:]):
        return "its bounds are computed"
    return _few_axes(view, node)


def _split(view: View, node: onnx.NodeProto) -> str:
    sizes = view.value(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    if len(node.input) < 2 and view.graph.opset < 13:
        return "its sizes are an attribute"
    if not all(view.is_fixed(name) for name in node.input[1:]):
        return "its sizes are computed"
    return "its parts are not equal" if sizes is not None and len(set(sizes.tolist())) > 1 else ""


def _stored_rest(view: View, node: onnx.NodeProto) -> str:
    if not all(view.is_fixed(name) for name in node.input[1:]):
        return "its axes, shape or indices are computed"
    return _few_axes(view, node)


def _pool(view: View, node: onnx.NodeProto) -> str:
    values = view.attributes(node)
    if values.get("ceil_mode", 0) or values.get("count_include_pad", 0):
        return "it rounds its size up, or counts padding"
    if values.get("storage_order", 0) or any(step != 1 for step in values.get("dilations", ())):
        return "it has dilations, or another storage order"
    if len(node.output) > 1 and node.output[1]:
        return "it gives indices"
    return _four_axes(view, node)


def _two_inputs(view: View, node: onnx.NodeProto) -> str:
    return "" if len(node.input) == 2 else "it has other than two inputs"


def _leaky_relu_level(view: View, node: onnx.NodeProto) -> int:
    return 29  # its builder says 27, and then uses LESS and SELECT, which came with 29


def _cast(view: View, node: onnx.NodeProto) -> str:
    goal = int(view.attributes(node).get("to", 0))
    if goal not in (TensorProto.FLOAT, TensorProto.INT32):
        return f"it casts to {TensorProto.DataType.Name(goal).lower()}"
    kind = view.graph.element(node.input[0])
    return "" if kind in (0, TensorProto.FLOAT, TensorProto.INT32) else "it casts from float16"


def _batch_norm(view: View, node: onnx.NodeProto) -> str:
    if not all(view.is_fixed(name) for name in node.input[1:]) or len(node.output) != 1:
        return "its parameters are computed"
    return _few_axes(view, node)


def _arithmetic(level: int) -> Operator:
    return Operator(_few_axes, _from(level))


OPERATORS: dict[str, Operator] = {
    "Abs": _arithmetic(29),
    "Add": _arithmetic(27),
    "AveragePool": Operator(_pool, _from(28)),
    "BatchNormalization": Operator(_batch_norm, _from(27)),
    "Cast": Operator(_cast, _from(29)),
    "Clip": Operator(_stored_rest, _from(29)),
    "Concat": Operator(_few_axes, _from(27)),
    "Conv": Operator(_conv, _conv_level),
    "DepthToSpace": Operator(_depth_to_space, _from(27)),
    "DequantizeLinear": Operator(_fine, _from(27)),
    "Div": _arithmetic(28),
    "Elu": _arithmetic(30),
    "Exp": _arithmetic(29),
    "Flatten": _arithmetic(27),
    "Floor": _arithmetic(27),
    "Gather": Operator(_stored_rest, _from(29)),
    "Gemm": Operator(_gemm, _from(27)),
    "GlobalAveragePool": Operator(_four_axes, _from(28)),
    "GlobalMaxPool": Operator(_four_axes, _from(28)),
    "Identity": Operator(_fine, _from(27)),
    "LRN": Operator(_four_axes, _from(28)),
    "LeakyRelu": Operator(_few_axes, _leaky_relu_level),
    "Log": _arithmetic(29),
    "MatMul": Operator(_matmul, _from(27)),
    "Max": Operator(_two_inputs, _from(29)),
    "MaxPool": Operator(_pool, _from(28)),
    "Min": Operator(_two_inputs, _from(29)),
    "Mul": _arithmetic(27),
    "Neg": _arithmetic(29),
    "PRelu": _arithmetic(29),
    "Pad": Operator(_pad, _from(29)),
    "Pow": _arithmetic(29),
    "QuantizeLinear": Operator(_fine, _from(29)),
    "ReduceMean": Operator(_stored_rest, _from(28)),
    "Relu": Operator(_fine, _from(27)),
    "Reshape": Operator(_stored_rest, _from(27)),
    "Resize": Operator(_resize, _resize_level),
    "Sigmoid": _arithmetic(27),
    "Sin": _arithmetic(29),
    "Slice": Operator(_slice, _from(28)),
    "Softmax": Operator(_few_axes, _from(28)),
    "Split": Operator(_split, _from(29)),
    "Sqrt": _arithmetic(29),
    "Squeeze": Operator(_stored_rest, _from(28)),
    "Sub": _arithmetic(28),
    "Tanh": Operator(_fine, _from(27)),
    "Transpose": Operator(_few_axes, _from(28)),
    "Unsqueeze": Operator(_stored_rest, _from(27)),
}

_PASSES = {
    "ConvTranspose": "convtranspose",
    "DepthToSpace": "depth_to_space_dcr",
    "Expand": "debris",
    "InstanceNormalization": "unfuse_instance_norm",
    "LeakyRelu": "leaky_relu_max",
    "PRelu": "prelu_exact",
    "Reciprocal": "reciprocal_to_div",
    "Split": "uneven_split",
}
_PADS = {"edge": "edge_pad", "reflect": "reflect_pad"}


def fix_for(node: onnx.NodeProto) -> str:
    """Return what to do about a node that the provider does not take."""
    name = _PASSES.get(node.op_type)
    if node.op_type == "Pad":
        modes = [entry.s.decode() for entry in node.attribute if entry.name == "mode"]
        name = _PADS.get(modes[0]) if modes else None
    if name is None:
        return "export the model with other operators there"
    return f"the pass {name} rewrites it (edge quantize --target android_nnapi)"
