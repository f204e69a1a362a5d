"""Wide convolutions in a quarter of the multiplications."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.engine import Engine
from quantize.passes import WeightsAtLoad, Winograd
from quantize.passes._infra.model import count_operators
from tests.quantize.checks.models import stored
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, rewritten
from tests.quantize.int8_cases import fed

SMALL = Winograd(numbers=1, places=16)


def _model(
    inputs: int = 3, outputs: int = 5, size: tuple[int, int] = (8, 12), k: int = 3, **attrs: Any
) -> onnx.ModelProto:
    s = Sketch()
    x = s.conv(s.input("x", 1, inputs, *size), inputs, outputs, k, **{"pads": [1] * 4, **attrs})
    s.op("Tanh", x, output="y")
    return s.model("y")


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.tuples(st.sampled_from([4, 8, 12]), st.sampled_from([4, 8, 12])),
)
def test_it_computes_the_same(
    inputs: int, outputs: int, pads: tuple[int, ...], made: tuple[int, int]
) -> None:
    size = [made[axis] - pads[axis] - pads[axis + 2] + 2 for axis in (0, 1)]
    found = rewritten(_model(inputs, outputs, (size[0], size[1]), pads=list(pads)), SMALL)
    assert found.steps[0].changed
    assert found.difference <= 1e-4
    assert_settled(found.model, SMALL)


def test_a_weight_of_8_bits_stays_so_in_the_file_and_is_transformed_at_load() -> None:
    s = Sketch()
    weight = stored(s, 8, 4, 3, 3)
    s.op("Tanh", s.op("Conv", s.input("x", 1, 4, 8, 8), weight, pads=[1] * 4), output="y")
    model = s.model("y")
    found = rewritten(model, WeightsAtLoad(), SMALL)
    assert found.difference <= 1e-4
    kinds = {tensor.data_type for tensor in found.model.graph.initializer if tensor.dims[:1] == [8]}
    assert onnx.TensorProto.INT8 in kinds
    assert count_operators(found.model)["MatMul"] == 4
    # What makes the weight is computed once: it is no node of a run. The others are a Conv, two
    # MatMul, five Reshape, two Transpose, and the Tanh.
    ran = Engine(found.model).nodes_per_provider(fed(found.model, 1).feeds[0])
    assert sum(ran.values()) == 11


def test_a_convolution_without_bias() -> None:
    s = Sketch()
    x, weight = s.input("x", 1, 4, 8, 8), s.noise(6, 4, 3, 3, scale=0.2)
    s.op("Tanh", s.op("Conv", x, weight, pads=[1] * 4), output="y")
    found = rewritten(s.model("y"), SMALL)
    assert found.difference <= 1e-4
    assert "Add" not in count_operators(found.model)


@pytest.mark.parametrize(
    "model",
    [
        _model(k=5, pads=[2] * 4),
        _model(strides=[2, 2]),
        _model(dilations=[2, 2], pads=[2] * 4),
        _model(size=(8, 10)),
        _model(size=(8, 12), auto_pad="SAME_UPPER"),
    ],
    ids=["kernel", "stride", "dilation", "no whole tiles", "auto_pad"],
)
def test_what_it_leaves_alone(model: onnx.ModelProto) -> None:
    assert_untouched(model, SMALL)


@pytest.mark.parametrize("limits", [{"numbers": 16, "places": 16}, {"numbers": 1, "places": 97}])
def test_what_does_not_pay_is_left_alone(limits: dict[str, int]) -> None:
    assert_untouched(_model(), Winograd(**limits))


def test_usual_limits_leave_narrow_layers_and_small_pictures_alone() -> None:
    assert_untouched(_model(128, 256, (64, 64)), Winograd())
    assert_untouched(_model(256, 256, (32, 64)), Winograd())
    assert rewritten(_model(256, 256, (64, 64)), Winograd()).steps[0].changed
