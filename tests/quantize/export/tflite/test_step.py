from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.errors import TFLiteError
from quantize.export.tflite.lowering import Lowering
from quantize.export.tflite.step import Int8Step, Step
from quantize.export.tflite.writer import Quantization
from tests.quantize.graphs import Sketch


def _lowering(model: onnx.ModelProto) -> Lowering:
    low = Lowering(model, "fp32")
    low.bind("x", low.writer.tensor("x", (1, 4, 4, 3)), (0, 2, 3, 1))
    return low


def test_a_refusal_names_node_and_operator() -> None:
    s = Sketch()
    s.op("Relu", s.input("x", 1, 3, 4, 4), output="y")
    model = s.model("y")
    error = Step(_lowering(model), model.graph.node[0]).refusal("it is red")
    assert isinstance(error, TFLiteError)
    assert str(error) == "node 'Relu_y' (Relu) cannot be written as TFLite: it is red"


def test_inputs_that_have_to_be_constant() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    s.op("Clip", x, "", s.keep(2.0), output="y")
    model = s.model("y")
    step = Step(_lowering(model), model.graph.node[0])
    assert [step.given(index) for index in range(4)] == [True, False, True, False]
    assert float(step.array(2)) == 2.0
    with pytest.raises(TFLiteError, match="input 0 is not constant"):
        step.array(0)


def test_integers_come_from_inputs_or_attributes() -> None:
    for opset in (17, 18):
        s = Sketch(opset=opset)
        s.op("Relu", s.mean(s.input("x", 1, 3, 4, 4)), output="y")
        model = s.model("y")
        assert Step(_lowering(model), model.graph.node[0]).ints(1, "axes") == [2, 3]


def test_what_lies_within_an_int8_node_is_int8() -> None:
    s = Sketch()
    s.op("Relu", s.input("x", 1, 3, 4, 4), output="y")
    model = s.model("y")
    low = _lowering(model)
    given, other = Quantization((0.1,), (4,)), Quantization((0.3,), (5,))
    step = Int8Step(low, model.graph.node[0], ("q",), other)
    picture = low.writer.tensor("p", (1, 4, 4, 3), "int8", quantization=given)
    for kind, expected in (("RELU", other), ("RESHAPE", given)):  # the latter keeps its scale
        made = low.tensor(step.emit(kind, [picture], (1, 4, 4, 3)))
        assert (made.element, made.quantization) == ("int8", expected)


@pytest.mark.parametrize("scales", [(0.5,), (0.5, 0.25, 0.125)])
def test_a_bias_counts_in_scales_of_input_times_weights(scales: tuple[float, ...]) -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    s.op("Conv", x, s.noise(3, 3, 1, 1), s.keep([1.0, -2.0, 1e12]), output="y")
    model = s.model("y")
    low = _lowering(model)
    given = Quantization((0.1,), (4,))
    step = Int8Step(low, model.graph.node[0], ("q",), given)
    picture = low.writer.tensor("p", (1, 4, 4, 3), "int8", quantization=given)
    kinds = Quantization(scales, (0,) * len(scales))
    weights = low.writer.tensor("w", (3, 1, 1, 3), "int8", quantization=kinds)
    made = low.tensor(step.bias(2, 3, picture, weights))
    assert made.element == "int32"
    assert made.quantization is not None
    assert made.load is not None
    wide = np.broadcast_to(scales, 3) * 0.1
    limit = np.iinfo(np.int32).max  # what does not fit is cut off, not wrapped round
    expected = np.minimum(np.rint(np.array([1.0, -2.0, 1e12]) / wide), limit)
    np.testing.assert_allclose(made.load(), expected, atol=1)
    np.testing.assert_allclose(made.quantization.scales, np.array(scales) * 0.1, rtol=1e-6)
