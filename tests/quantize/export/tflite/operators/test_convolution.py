from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()

FEW = settings(max_examples=25, deadline=None)


def _conv(size: tuple[int, int], weight: tuple[int, ...], group: int, **attrs: object) -> Sketch:
    s = Sketch()
    x = s.input("x", 1, weight[1] * group, *size)
    bias = s.noise(weight[0])
    s.op("Conv", x, s.noise(*weight), bias, output="y", group=group, **attrs)
    return s


def _model(s: Sketch) -> onnx.ModelProto:
    try:
        return s.model("y")
    except onnx.shape_inference.InferenceError:
        assume(False)
        raise


SMALL = st.integers(1, 3)


@FEW
@given(
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(SMALL, SMALL),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    channels=st.sampled_from([(1, 4, 2), (1, 1, 3), (4, 1, 4), (3, 1, 6), (2, 2, 4)]),
)
def test_every_geometry(
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, ...],
    channels: tuple[int, int, int],
) -> None:
    group, per_group, outputs = channels
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        assume(reach <= size[axis] + pads[axis] + pads[axis + 2])
    s = _conv(
        size, (outputs, per_group, *kernel), group, strides=strides, dilations=dilations, pads=pads
    )
    made = written(_model(s))
    depthwise = group > 1 and per_group == 1
    assert made["DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"] == 1


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(("size", "stride"), [((8, 7), 2), ((6, 6), 1)])
def test_pads_that_depend_on_the_size(auto: str, size: tuple[int, int], stride: int) -> None:
    s = _conv(size, (4, 3, 3, 4), 1, auto_pad=auto, strides=[stride, stride])
    written(s.model("y"))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "padded"),
    [(8, 3, 1, 1, 0), (8, 4, 2, 1, 0), (8, 3, 2, 1, 1), (7, 3, 2, 1, 0), (8, 3, 1, 0, 0)],
)
def test_pads_are_left_to_tflite_where_it_pads_alike(
    size: int, kernel: int, stride: int, pad: int, padded: int
) -> None:
    s = _conv((size, size), (4, 3, kernel, kernel), 1, pads=[pad] * 4, strides=[stride] * 2)
    assert written(s.model("y"))["PAD"] == padded


def test_weights_that_are_computed() -> None:
    s = Sketch()
    x, scale = s.input("x", 1, 6, 8, 8), s.input("scale", 1, 6)
    rows = s.op("Reshape", scale, s.ints(1, 6, 1, 1))
    s.op("Conv", x, s.op("Mul", s.noise(4, 6, 3, 3), rows), output="y", pads=[1] * 4)
    assert written(s.model("y"))["TRANSPOSE"] == 2  # what goes in and out is no picture


@FEW
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    extra=st.integers(0, 1),
    bias=st.booleans(),
)
def test_transposed(
    kernel: int, stride: int, pads: tuple[int, ...], extra: int, bias: bool
) -> None:
    assume(extra < stride)
    assume(all(extra <= pads[axis + 2] for axis in (0, 1)))  # else: refused, see below
    s = Sketch()
    x = s.input("x", 1, 5, 4, 6)
    inputs = [x, s.noise(5, 4, kernel, kernel), *([s.noise(4)] if bias else [])]
    s.op(
        "ConvTranspose",
        *inputs,
        output="y",
        strides=[stride] * 2,
        pads=pads,
        output_padding=[extra] * 2,
    )
    model = _model(s)
    shape = [axis.dim_value for axis in model.graph.output[0].type.tensor_type.shape.dim]
    assume(min(shape) > 0)
    assert written(model)["TRANSPOSE_CONV"] == 1


@pytest.mark.parametrize("auto", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("kernel", "stride", "out"),
    [(4, 2, 16), (5, 2, 16), (3, 2, 16), (4, 2, 15), (5, 3, 25), (4, 4, 30)],
)
@pytest.mark.parametrize("extra", [0, 1])
def test_a_transposed_one_whose_size_is_stated(
    auto: str, kernel: int, stride: int, out: int, extra: int
) -> None:
    s = Sketch()
    s.op(
        "ConvTranspose",
        s.input("x", 1, 4, 8, 8),
        s.noise(4, 5, kernel, kernel),
        output="y",
        strides=[stride] * 2,
        output_shape=[out] * 2,
        output_padding=[extra] * 2,
        auto_pad=auto,
    )
    try:
        assert written(s.model("y"))["TRANSPOSE_CONV"] == 1
    except TFLiteError as error:
        assert extra  # what lies behind all taps is not made here
        assert "pads its output" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "attrs", [{"group": 2}, {"dilations": [2, 2]}, {"output_padding": [1, 1], "strides": [2, 2]}]
)
def test_transposed_ones_that_tflite_lacks_are_refused(attrs: dict[str, object]) -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 4, 4)
    s.op("ConvTranspose", x, s.noise(4, 2, 2, 2), output="y", **attrs)
    with pytest.raises(TFLiteError, match=r"'ConvTranspose_y' \(ConvTranspose\).*convtranspose"):
        to_tflite(s.model("y"))


def test_a_larger_output_of_a_size_that_follows_is_refused() -> None:
    """ONNX's shape inference adds it, and ONNX Runtime does not."""
    s = Sketch()
    x = s.input("x", 1, 2, 5, 4)
    given_ = {"auto_pad": "SAME_UPPER", "strides": [2, 2], "output_padding": [1, 0]}
    s.op("ConvTranspose", x, s.noise(2, 3, 3, 3), output="y", **given_)
    with pytest.raises(TFLiteError, match="output_padding: state pads"):
        to_tflite(s.model("y"))


def test_a_size_that_is_not_known_is_refused() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    s.op("ConvTranspose", x, s.noise(4, 4, 3, 3), output="y", output_shape=[7, 7])
    with pytest.raises(TFLiteError, match="the size of its output does not follow"):
        to_tflite(s.model("y"))


def test_other_than_two_spatial_axes_are_refused() -> None:
    s = Sketch()
    s.op("Conv", s.input("x", 1, 4, 8), s.noise(4, 4, 3), output="y")
    with pytest.raises(TFLiteError, match=r"'Conv_y' \(Conv\).*1 spatial axes"):
        to_tflite(s.model("y"))


def test_weights_in_half_the_bits() -> None:
    s = _conv((8, 8), (16, 16, 3, 3), 1, pads=[1] * 4)
    model = s.model("y")
    full, half = to_tflite(model), to_tflite(model, weights="fp16")
    weights = 16 * 16 * 9 * 4
    assert len(full) - len(half) == pytest.approx(weights / 2, abs=256)
    assert written(model, tolerance=0.05, weights="fp16")["DEQUANTIZE"] == 1


def test_weights_beyond_half_precision_stay_whole() -> None:
    s = Sketch()
    weights = np.zeros((16, 16, 3, 3), np.float32)
    weights[3, 4, 1, 1] = 1e5
    s.op("Conv", s.input("x", 1, 16, 8, 8), s.keep(weights), output="y", pads=[1] * 4)
    assert not written(s.model("y"), tolerance=0.1, weights="fp16")["DEQUANTIZE"]
