"""QuantizeLinear and DequantizeLinear, and which nodes between them compute in int8."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from quantize.errors import TFLiteError
from quantize.export.tflite.constants import Scale
from quantize.export.tflite.lowering import Lowering, describe
from quantize.export.tflite.operators.convolution import windows
from quantize.export.tflite.step import Int8Step, Step
from quantize.export.tflite.writer import Quantization
from quantize.passes._infra.model import STANDARD_DOMAINS, attributes

# Their int8 outputs have a scale that TFLite prescribes.
_PRESCRIBED = {
    "Sigmoid": Quantization((1 / 256,), (-128,)),
    "Softmax": Quantization((1 / 256,), (-128,)),
    "Tanh": Quantization((1 / 128,), (0,)),
}

# Of computed values; those of more than 8 bits are computed in float32.
_WHOLE = (
    onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8,
    onnx.TensorProto.INT16,
    onnx.TensorProto.UINT16,
    onnx.TensorProto.INT32,
)


def is_quantizer(node: onnx.NodeProto) -> bool:
    """Return whether a node is a QuantizeLinear or DequantizeLinear."""
    return (
        node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.domain in STANDARD_DOMAINS
    )


def _per_tensor(scale: Scale | None) -> Quantization | None:
    if scale is None or scale.scales.size != 1:
        return None
    return Quantization((float(scale.scales[0]),), (int(scale.zero_points[0]),))


def write_quantizer(low: Lowering, node: onnx.NodeProto) -> None:
    """Write a QuantizeLinear or DequantizeLinear of something that is computed.

    1. A constant: nothing, it is written where it is read.
    2. More than 8 bits: nothing, what lies between computes in float32.
    3. QuantizeLinear: QUANTIZE, unless the node before it computes in int8 already.
    4. DequantizeLinear: a DEQUANTIZE as soon as a node reads it that computes in float32.

    Raises:
        TFLiteError: scales per block, computed values of fewer than 8 bits, or with several scales.
    """
    source, result = node.input[0], node.output[0]
    if attributes(node).get("block_size", 0):
        raise TFLiteError(
            f"{describe(node)} cannot be written as TFLite: it has a scale per block, and TFLite "
            "one per channel at most"
        )
    if low.constants.holds(result) or result in low.values:
        return
    kind = low.graph.element(source if node.op_type == "DequantizeLinear" else result)
    if kind not in _WHOLE:
        # Leaving these out would leave out most of the rounding, too.
        name = onnx.TensorProto.DataType.Name(kind).lower()
        raise TFLiteError(
            f"{describe(node)} cannot be written as TFLite: values of type {name} are not computed"
        )
    quantization = _per_tensor(low.constants.scale_of(node))
    if node.op_type == "DequantizeLinear":
        if quantization is None:
            low.values[result] = low.value(source)
        else:
            low.int8_of[result] = source
        return
    if quantization is None:
        scale = low.constants.scale_of(node)
        if scale is not None:
            raise TFLiteError(
                f"{describe(node)} cannot be written as TFLite: computed values have one scale, "
                f"not {scale.scales.size}"
            )
        low.values[result] = low.value(source)
        return
    if source in low.int8_of:
        whole = low.values[low.int8_of[source]]
        if low.tensor(whole.tensor).quantization == quantization:
            low.values[result] = whole
            return
    # From one scale to another by way of float32: the kernels that rescale int8 round twice.
    value = low.value(source)
    shape = low.tensor(value.tensor).shape
    made = low.emit("QUANTIZE", [value.tensor], shape, hint=result, quantization=quantization)
    low.bind(result, made, value.order, value.shape)


# Which nodes compute in int8: each test looks at the node alone; what goes in and comes out is
# looked at by `int8_step`.


def _always(low: Lowering, node: onnx.NodeProto) -> bool:
    return True


def _conv(low: Lowering, node: onnx.NodeProto) -> bool:
    return _plain_weights(low, node, 0)


def _conv_transpose(low: Lowering, node: onnx.NodeProto) -> bool:
    return _plain_weights(low, node, 1)


def _gemm(low: Lowering, node: onnx.NodeProto) -> bool:
    given = attributes(node)
    usual = given.get("alpha", 1.0) == 1 and given.get("beta", 1.0) == 1
    stored = low.constants.int8(node.input[1])
    # Runtimes before 2.17 know but one scale for the weights of FULLY_CONNECTED.
    single = stored is not None and len(stored.scales) == 1
    plain = single and not given.get("transA", 0) and _plain_weights(low, node, 0)
    return usual and plain and _row_bias(low, node)


def _row_bias(low: Lowering, node: onnx.NodeProto) -> bool:
    """Return whether a Gemm has one bias per output, or none; others are added afterwards."""
    if len(node.input) < 3 or not node.input[2]:
        return True
    outputs = low.shape(node.output[0])[-1]
    return low.shape(node.input[2]) in ((outputs,), (1, outputs))


def _plain_weights(low: Lowering, node: onnx.NodeProto, axis: int) -> bool:
    """Return whether weights are int8 without zero points, with scales along an axis at most."""
    stored = low.constants.int8(node.input[1])
    if stored is None or any(stored.zero_points):
        return False
    if len(node.input) > 2 and node.input[2] and not low.constants.holds(node.input[2]):
        return False
    return len(stored.scales) == 1 or stored.axis == axis


def _zero_pad(low: Lowering, node: onnx.NodeProto) -> bool:
    if attributes(node).get("mode", b"constant") != b"constant":
        return True
    if len(node.input) < 3 or not node.input[2]:
        return True
    return low.constants.holds(node.input[2]) and not low.constants.array(node.input[2]).any()


def _exact_resize(low: Lowering, node: onnx.NodeProto) -> bool:
    given = attributes(node)
    # With aligned corners the integer kernel is off by up to three steps.
    corners = given.get("coordinate_transformation_mode") == b"align_corners"
    return given.get("mode", b"nearest") == b"nearest" or not corners


def _unpadded(low: Lowering, node: onnx.NodeProto) -> bool:
    """Return whether a pool needs no PAD before it, which fills int8 with zeros only.

    Without pads, ceil_mode and auto_pad may still pad; TFLite pads for SAME by itself.
    """
    given = attributes(node)
    if any(given.get("pads", ())):
        return False
    axes = windows(Step(low, node), tuple(given["kernel_shape"]))
    return all(axis.valid for axis in axes) or all(axis.same for axis in axes)


# What makes no new numbers; a mean of four (AveragePool) has the scale of what goes in, too.
_KEEP_SCALE = frozenset(
    {
        "AveragePool",
        "Concat",
        "DepthToSpace",
        "Flatten",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)

_Test = Callable[[Lowering, onnx.NodeProto], bool]

# LeakyRelu is not among them: the integer kernels round its results down, for all layers behind it
# to add up (2.5 dB on the inswapper topology).

# The tests, and how many of the inputs are data that must be int8 (None: all of them).
_INT8: dict[str, tuple[_Test, int | None]] = {
    "Add": (_always, None),
    "AveragePool": (_unpadded, 1),
    "Concat": (_always, None),
    "Conv": (_conv, 1),
    "ConvTranspose": (_conv_transpose, 1),
    "DepthToSpace": (_always, 1),
    "Flatten": (_always, 1),
    "Gemm": (_gemm, 1),
    "GlobalAveragePool": (_always, 1),
    "MaxPool": (_unpadded, 1),
    "Mul": (_always, None),
    "Pad": (_zero_pad, 1),
    "Relu": (_always, 1),
    "Reshape": (_always, 1),
    "Resize": (_exact_resize, 1),
    "Sigmoid": (_always, 1),
    "Slice": (_always, 1),
    "Softmax": (_always, 1),
    "SpaceToDepth": (_always, 1),
    "Squeeze": (_always, 1),
    "Sub": (_always, None),
    "Tanh": (_always, 1),
    "Transpose": (_always, 1),
    "Unsqueeze": (_always, 1),
}


def _target(low: Lowering, name: str) -> tuple[tuple[str, ...], Quantization] | None:
    """Return what quantizes a value, if all that read it do so in the same way."""
    users = low.graph.users(name)
    if not users or name in low.graph.outputs:
        return None
    found = set()
    for user in users:
        if user.op_type != "QuantizeLinear" or user.domain not in STANDARD_DOMAINS:
            return None
        found.add(_per_tensor(low.constants.scale_of(user)))
    quantization = found.pop()
    if found or quantization is None:
        return None
    return tuple(user.output[0] for user in users), quantization


def _is_int8(low: Lowering, name: str) -> bool:
    if name in low.int8_of:
        return True
    stored = low.constants.int8(name)
    return stored is not None and len(stored.scales) == 1


def _scale(low: Lowering, name: str) -> Quantization | None:
    if name in low.int8_of:
        return low.tensor(low.values[low.int8_of[name]].tensor).quantization
    stored = low.constants.int8(name)
    return None if stored is None else Quantization(stored.scales, stored.zero_points)


def int8_step(low: Lowering, node: onnx.NodeProto) -> Int8Step | None:
    """Return a step that computes a node in int8, or None where it has to be float32.

    A node computes in int8 when its data come from DequantizeLinear, all that read its output are
    equal QuantizeLinear, and TFLite knows it in int8 with these scales. Where its kernels would
    give other numbers than float32 between the same two gives, it computes in float32.
    """
    test, count = _INT8.get(node.op_type, (None, 0))
    if test is None or len(node.output) != 1:
        return None
    data = [name for name in node.input if name][:count]
    if not data or not all(_is_int8(low, name) for name in data):
        return None
    if not any(name in low.int8_of for name in data):
        return None
    target = _target(low, node.output[0])
    if target is None or not test(low, node):
        return None
    results, quantization = target
    if _PRESCRIBED.get(node.op_type, quantization) != quantization:
        return None
    if node.op_type in _KEEP_SCALE and any(_scale(low, name) != quantization for name in data):
        return None
    return Int8Step(low, node, results, quantization)
