"""LeakyRelu to Mul and Max."""

from __future__ import annotations

import onnx
from hypothesis import given
from hypothesis import strategies as st

from quantize.passes import LeakyReluMax
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten


def leaky(**given: float) -> onnx.ModelProto:
    s = Sketch()
    s.op("LeakyRelu", s.input("x", 1, 3, 5, 5), output="y", **given)
    return s.model("y")


@given(st.floats(0, 1, width=32))
def test_it_computes_the_same(alpha: float) -> None:
    found = rewritten(leaky(alpha=alpha), LeakyReluMax())
    assert kinds(found.model) == {"Mul", "Max"}
    assert found.difference <= 1e-6
    assert_settled(found.model, LeakyReluMax())


def test_the_usual_alpha() -> None:
    assert rewritten(leaky(), LeakyReluMax()).difference <= 1e-6


def test_other_alphas_are_left_alone() -> None:
    assert_untouched(leaky(alpha=1.5), LeakyReluMax())
    assert_untouched(leaky(alpha=-0.5), LeakyReluMax())
