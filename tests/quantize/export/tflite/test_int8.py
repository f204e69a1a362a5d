from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from quantize.passes._infra.engine import run_model
from tests.quantize.export.tflite.runtimes import (
    needs_schema,
    operators,
    run_everywhere,
    worst,
)
from tests.quantize.graphs import Sketch

needs_schema()

Scale = tuple[float, int]

LEFT: Scale = (0.05, -20)
RIGHT: Scale = (0.03, 10)
OUT: Scale = (0.061, -33)
PICTURE = (1, 3, 16, 16)


def _rounded(s: Sketch, x: str, scale: Scale, kind: Any = np.int8, output: str = "") -> str:
    """Quantize and dequantize a value; of uint8, the same real numbers as of int8."""
    zero = scale[1] + (128 if kind is np.uint8 else 0)
    pair = [s.keep(np.float32(scale[0])), s.keep(zero, kind=kind)]
    return s.op("DequantizeLinear", s.op("QuantizeLinear", x, *pair), *pair, output=output)


def _int8(s: Sketch, values: Any, axis: int | None = 0, kind: Any = np.int8) -> str:
    """Store a weight in 8 bits, with a scale per slice of an axis or one in all."""
    others = None if axis is None else tuple(a for a in range(values.ndim) if a != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / 127
    shift = 128 if kind is np.uint8 else 0
    whole = np.clip(np.rint(values / scale), -127, 127) + shift
    flat = scale.reshape(() if axis is None else -1)
    parts = [s.keep(whole, kind=kind), s.keep(flat), s.keep(flat * 0 + shift, kind=kind)]
    given: dict[str, Any] = {} if axis is None else {"axis": axis}
    return s.op("DequantizeLinear", *parts, **given)


def _agrees(model: onnx.ModelProto, step: float, steps: float = 1.0) -> Any:
    """Check a model against itself as ONNX Runtime computes it in float32; return operators.

    Nothing may be off by more than some steps, and on average by next to nothing.
    """
    data = to_tflite(model)
    rng = np.random.default_rng(0)
    feeds = {
        value.name: rng.uniform(
            -1, 1, [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        ).astype(np.float32)
        for value in model.graph.input
    }
    (expected,) = run_model(model, [feeds])
    results = run_everywhere(data, feeds)
    assert worst(results, expected) <= steps * step * 1.001
    for arrays in results.values():
        made, wanted = arrays["y"], expected["y"]
        assert abs(float(made.mean() - wanted.mean())) < 0.1 * step
    return operators(data)


def _conv(
    weight: tuple[int, ...],
    axis: int | None = 0,
    kinds: Any = (np.int8, np.int8),
    bias: str = "int32",
    **attrs: Any,
) -> onnx.ModelProto:
    s = Sketch()
    group = attrs.get("group", 1)
    x = _rounded(s, s.input("x", 1, weight[1] * group, 16, 16), (0.008, -3), kinds[0])
    name = _int8(s, s.rng.standard_normal(weight), axis, kinds[1])
    inputs = [x, name]
    if bias == "float":
        inputs.append(s.noise(weight[0]))
    elif bias == "int32":
        number, scale = s.keep(np.arange(weight[0]) * 100, kind=np.int32), s.keep(0.0001)
        inputs.append(s.op("DequantizeLinear", number, scale))
    y = s.op("Conv", *inputs, **attrs)
    _rounded(s, y, (0.1, 4), kinds[0], output="y")
    return s.model("y")


@pytest.mark.parametrize("axis", [0, None])
@pytest.mark.parametrize("bias", ["float", "int32", "none"])
@pytest.mark.parametrize(
    ("weight", "attrs"),
    [
        ((6, 3, 3, 3), {"pads": [1] * 4}),
        ((6, 3, 3, 3), {"pads": [1] * 4, "strides": [2, 2]}),
        ((6, 3, 3, 3), {"pads": [2] * 4, "dilations": [2, 2]}),
        ((6, 1, 3, 3), {"pads": [1] * 4, "group": 6}),
        ((6, 1, 3, 3), {"pads": [1] * 4, "group": 3}),
    ],
)
def test_convolutions(
    axis: int | None, bias: str, weight: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    made = _agrees(_conv(weight, axis, bias=bias, **attrs), 0.1)
    depthwise = attrs.get("group", 1) > 1
    assert made["DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"] == 1
    assert (made["QUANTIZE"], made["DEQUANTIZE"]) == (1, 1)


@pytest.mark.parametrize("activations", [np.int8, np.uint8])
@pytest.mark.parametrize("weights", [np.int8, np.uint8])
def test_unsigned_numbers_are_moved(activations: Any, weights: Any) -> None:
    made = _agrees(_conv((6, 3, 3, 3), kinds=(activations, weights), pads=[1] * 4), 0.1)
    assert (made["QUANTIZE"], made["CONV_2D"], made["DEQUANTIZE"]) == (1, 1, 1)


@pytest.mark.parametrize(("kernel", "extra"), [(4, 0), (3, 1)])  # the latter is cut off
def test_a_transposed_convolution(kernel: int, extra: int) -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", *PICTURE), (0.008, -3))
    weight = _int8(s, s.rng.standard_normal((3, 5, kernel, kernel)), 1)
    geometry: dict[str, Any] = {"strides": [2, 2], "pads": [1] * 4, "output_padding": [extra] * 2}
    y = s.op("ConvTranspose", x, weight, s.noise(5), **geometry)
    _rounded(s, y, (0.1, 4), output="y")
    made = _agrees(s.model("y"), 0.1)
    assert (made["TRANSPOSE_CONV"], made["SLICE"], made["DEQUANTIZE"]) == (1, extra, 1)


@pytest.mark.parametrize(("axis", "whole"), [(None, True), (0, False)])
def test_gemm_with_a_scale_per_row_computes_in_float(axis: int | None, whole: bool) -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", 4, 64), (0.008, -3))
    weight = _int8(s, s.rng.standard_normal((16, 64)), axis)
    _rounded(s, s.op("Gemm", x, weight, s.noise(16), transB=1), (0.2, 4), output="y")
    made = _agrees(s.model("y"), 0.2)
    # In float: the input and the weights are dequantized, and the result is quantized.
    assert made == {"QUANTIZE": 2 - whole, "FULLY_CONNECTED": 1, "DEQUANTIZE": 3 - 2 * whole}


@pytest.mark.parametrize(
    ("shape", "whole"),
    [((16,), True), ((1, 16), True), ((1,), False), ((4, 1), False), ((4, 16), False)],
)
def test_gemm_that_adds_more_than_a_row_computes_in_float(
    shape: tuple[int, ...], whole: bool
) -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", 4, 64), (0.008, -3))
    weight = _int8(s, s.rng.standard_normal((16, 64)), None)
    _rounded(s, s.op("Gemm", x, weight, s.noise(*shape), transB=1), (0.2, 4), output="y")
    made = _agrees(s.model("y"), 0.2)
    assert (made["QUANTIZE"], made["ADD"]) == ((1, 0) if whole else (2, 1))


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("attrs", "whole"),
    [
        ({"kernel_shape": [2, 2], "ceil_mode": 1}, True),  # 16 rows: nothing is left to pad
        ({"kernel_shape": [3, 3], "auto_pad": "VALID"}, True),
        ({"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"}, True),  # TFLite's own
        ({"kernel_shape": [3, 3], "ceil_mode": 1}, False),
        ({"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER"}, False),
    ],
)
def test_pools_that_pad_without_pads_compute_in_float(
    kind: str, attrs: dict[str, Any], whole: bool
) -> None:
    model = _between(kind, (LEFT,), LEFT, strides=[2, 2], **attrs)
    if kind == "AveragePool" and not whole:
        with pytest.raises(TFLiteError, match="padded this way"):
            to_tflite(model)
        return
    made = _agrees(model, LEFT[0])
    assert (made["QUANTIZE"], made["DEQUANTIZE"]) == ((1, 1) if whole else (2, 2))


def _between(kind: str, scales: tuple[Scale, ...], out: Scale, **attrs: Any) -> onnx.ModelProto:
    s = Sketch()
    inputs = []
    for index, scale in enumerate(scales):
        wide = s.op("Mul", s.input(f"x{index}", *PICTURE), s.keep(6.0))
        inputs.append(_rounded(s, wide, scale))
    if kind == "Resize":
        inputs += ["", s.keep([1, 1, 2, 2])]
    if kind == "Pad":
        inputs.append(s.ints(0, 0, 1, 2, 0, 0, 2, 1))
    if kind == "Slice":
        inputs += [s.ints(2), s.ints(9), s.ints(2)]
    if kind == "Reshape":
        inputs.append(s.ints(1, 3, 256))
    _rounded(s, s.op(kind, *inputs, **attrs), out, output="y")
    return s.model("y")


LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
CORNERS = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


@pytest.mark.parametrize(
    ("kind", "scales", "out", "attrs"),
    [
        ("Add", (LEFT, RIGHT), OUT, {}),
        ("AveragePool", (LEFT,), LEFT, POOL),
        ("Concat", (LEFT, LEFT), LEFT, {"axis": 1}),
        ("DepthToSpace", (LEFT,), LEFT, {"blocksize": 1}),
        ("Flatten", (LEFT,), LEFT, {}),
        ("GlobalAveragePool", (LEFT,), (0.01, 3), {}),
        ("MaxPool", (LEFT,), LEFT, POOL),
        ("Mul", (LEFT, RIGHT), (0.2, 5), {}),
        ("Pad", (LEFT,), LEFT, {}),
        ("Pad", (LEFT,), LEFT, {"mode": "reflect"}),
        ("Relu", (LEFT,), (0.025, -128), {}),
        ("Reshape", (LEFT,), LEFT, {}),
        ("Resize", (LEFT,), LEFT, {"mode": "nearest"}),
        ("Resize", (LEFT,), LEFT, LINEAR),
        ("Sigmoid", (LEFT,), (1 / 256, -128), {}),
        ("Slice", (LEFT,), LEFT, {}),
        ("Softmax", (LEFT,), (1 / 256, -128), {"axis": 1}),
        ("SpaceToDepth", (LEFT,), LEFT, {"blocksize": 2}),
        ("Sub", (LEFT, RIGHT), OUT, {}),
        ("Tanh", (LEFT,), (1 / 128, 0), {}),
        ("Transpose", (LEFT,), LEFT, {"perm": [0, 2, 3, 1]}),
    ],
)
def test_what_lies_between_computes_in_int8(
    kind: str, scales: tuple[Scale, ...], out: Scale, attrs: dict[str, Any]
) -> None:
    made = _agrees(_between(kind, scales, out, **attrs), out[0])
    assert (made["QUANTIZE"], made["DEQUANTIZE"]) == (len(scales), 1)


@pytest.mark.parametrize(
    ("kind", "scales", "out", "attrs"),
    [
        ("Concat", (LEFT, RIGHT), OUT, {"axis": 1}),  # scales differ
        ("LeakyRelu", (LEFT,), OUT, {"alpha": 0.2}),  # kernels round down
        ("MaxPool", (LEFT,), OUT, POOL),
        ("Resize", (LEFT,), LEFT, CORNERS),  # kernels are off by steps
        ("Sigmoid", (LEFT,), (1 / 200, -128), {}),  # not TFLite's scale
    ],
)
def test_what_int8_kernels_get_wrong_computes_in_float(
    kind: str, scales: tuple[Scale, ...], out: Scale, attrs: dict[str, Any]
) -> None:
    made = _agrees(_between(kind, scales, out, **attrs), out[0])
    assert (made["QUANTIZE"], made["DEQUANTIZE"]) == (len(scales) + 1, len(scales) + 1)


def test_a_value_that_is_read_rounded_and_raw_stays_float() -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", *PICTURE), LEFT)
    raw = s.op("Conv", x, _int8(s, s.rng.standard_normal((3, 3, 1, 1))))
    s.op("Add", raw, _rounded(s, raw, (0.1, 0)), output="y")
    model = s.model("y")
    made = _agrees(model, 0.1)
    assert made["QUANTIZE"] == 2


def test_rounding_without_a_zero_point() -> None:
    s = Sketch()
    scale = s.keep(0.05)
    x = s.op("DequantizeLinear", s.op("QuantizeLinear", s.input("x", *PICTURE), scale), scale)
    s.op("Relu", x, output="y")  # of uint8, as the standard says: nothing below 0 is left
    assert _agrees(s.model("y"), 1e-6) == {"QUANTIZE": 1, "DEQUANTIZE": 1, "RELU": 1}


def test_from_one_scale_to_another() -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", *PICTURE), LEFT)
    _rounded(s, x, OUT, output="y")
    assert _agrees(s.model("y"), OUT[0]) == {"QUANTIZE": 2, "DEQUANTIZE": 2}


def test_rounding_twice_alike_is_rounding_once() -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", *PICTURE), LEFT)
    _rounded(s, x, LEFT, output="y")
    assert _agrees(s.model("y"), LEFT[0]) == {"QUANTIZE": 1, "DEQUANTIZE": 1}


def test_sixteen_bits_compute_in_float() -> None:
    s = Sketch(opset=21)
    x = _rounded(s, s.input("x", *PICTURE), (1e-4, 5), np.int16)
    s.op("Relu", x, output="y")
    assert _agrees(s.model("y"), 1e-4) == {"RELU": 1}


def test_weights_that_are_only_stored_in_8_bits() -> None:
    s = Sketch()
    weight = _int8(s, s.rng.standard_normal((32, 64)), 0)
    s.op("Gemm", s.input("x", 4, 64), weight, s.noise(32), output="y", transB=1)
    model = s.model("y")
    assert _agrees(model, 1e-4) == {"DEQUANTIZE": 1, "FULLY_CONNECTED": 1}
    assert len(to_tflite(model)) < 32 * 64 + 2048


def test_computed_values_with_several_scales_are_refused() -> None:
    s = Sketch()
    scale, zero = s.keep([0.1, 0.2, 0.3]), s.keep([0, 0, 0], kind=np.int8)
    x = s.op("QuantizeLinear", s.input("x", *PICTURE), scale, zero, axis=1)
    s.op("DequantizeLinear", x, scale, zero, axis=1, output="y")
    with pytest.raises(TFLiteError, match=r"\(QuantizeLinear\).*not 3"):
        to_tflite(s.model("y"))


@pytest.mark.parametrize(("shape", "axis"), [((64, 1), 1), ((1, 64), 0), ((2, 64), 0)])
def test_a_scale_per_block_is_refused(shape: tuple[int, int], axis: int) -> None:
    s = Sketch(opset=21)
    numbers = s.keep(s.rng.integers(-99, 99, (64, 64)), kind=np.int8)
    scale = s.keep(s.rng.uniform(0.01, 0.1, shape))
    block = 64 // shape[axis]
    weight = s.op("DequantizeLinear", numbers, scale, axis=axis, block_size=block)
    s.op("MatMul", s.input("x", 3, 64), weight, output="y")
    with pytest.raises(TFLiteError, match=r"\(DequantizeLinear\).* a scale per block"):
        to_tflite(s.model("y"))


def test_computed_values_of_fewer_bits_are_refused() -> None:
    """What four bits leave is no matter of rounding."""
    s = Sketch(opset=21)
    s.op("Relu", _rounded(s, s.input("x", 2, 3), (0.1, 0)), output="y")
    model = s.model("y")
    model.ir_version = 10  # the first that knows them
    zero = next(one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8)
    zero.CopyFrom(helper.make_tensor(zero.name, onnx.TensorProto.INT4, [], [0]))
    with pytest.raises(TFLiteError, match="values of type int4 are not computed"):
        to_tflite(model)


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 1, 1), (16,), ()])
def test_a_constant_that_is_quantized_in_the_graph(shape: tuple[int, ...]) -> None:
    s = Sketch()
    x = _rounded(s, s.input("x", *PICTURE), LEFT)
    number = _rounded(s, s.noise(*shape), RIGHT)
    _rounded(s, s.op("Add", x, number), OUT, output="y")
    assert _agrees(s.model("y"), OUT[0]) == {"QUANTIZE": 1, "ADD": 1, "DEQUANTIZE": 1}


def test_quantizers_of_another_domain_are_refused() -> None:
    model = _conv((6, 3, 3, 3), pads=[1] * 4)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            node.domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(TFLiteError, match=r"\(QuantizeLinear\).*no rule"):
        to_tflite(model)
