"""Borders are mirrored exactly, whatever the amounts."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import ReflectPad
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten


def _model(
    pads: Sequence[int],
    opset: int = 17,
    mode: str = "reflect",
    shape: Sequence[int | str] = (1, 2, 5, 6),
) -> onnx.ModelProto:
    s = Sketch(opset)
    x = s.input("x", *shape)
    s.op("Neg", s.op("Pad", x, s.ints(*pads), mode=mode), output="output")
    return s.model("output")


@given(st.tuples(*[st.integers(0, 4)] * 4), st.sampled_from([11, 13, 17, 18]))
def test_any_amount(amounts: tuple[int, ...], opset: int) -> None:
    top, left, bottom, right = amounts
    result = rewritten(_model([0, 0, top, left, 0, 0, bottom, right], opset), ReflectPad())
    assert kinds(result.model) <= {"Slice", "Concat", "Neg"}
    assert result.difference == 0
    assert_settled(result.model, ReflectPad())


def test_channels_and_open_sizes() -> None:
    model = _model([0, 1, 2, 0, 0, 1, 0, 3], shape=["n", 3, "h", "w"])
    assert "Pad" not in kinds(rewritten(model, ReflectPad()).model)


def test_axes_as_an_input() -> None:
    s = Sketch(18)
    x = s.input("x", 1, 2, 5, 6)
    padded = s.op("Pad", x, s.ints(2, 1, 0, 3), "", s.ints(-1, 2), mode="reflect")
    s.op("Neg", padded, output="output")
    assert "Pad" not in kinds(rewritten(s.model("output"), ReflectPad()).model)


def test_a_pad_that_makes_the_output() -> None:
    s = Sketch()
    s.op("Pad", s.input("x", 1, 1, 3, 3), s.ints(*[0] * 8), output="output", mode="reflect")
    assert kinds(rewritten(s.model("output"), ReflectPad()).model) == {"Identity"}


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_other_modes(mode: str) -> None:
    assert_untouched(_model([0, 0, 1, 1, 0, 0, 1, 1], mode=mode), ReflectPad())


def test_amounts_that_cut_off() -> None:
    assert_untouched(_model([0, 0, 1, -1, 0, 0, 1, 1]), ReflectPad())


def test_amounts_that_are_not_constant() -> None:
    s = Sketch()
    x = s.input("x", 1, 1, 4, 4)
    s.inputs.append(onnx.helper.make_tensor_value_info("pads", onnx.TensorProto.INT64, [8]))
    s.op("Neg", s.op("Pad", x, "pads", mode="reflect"), output="output")
    assert_untouched(s.model("output"), ReflectPad())
