"""Sigmoid to Tanh."""

from __future__ import annotations

import numpy as np
import pytest

from quantize.passes import SigmoidToTanh
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten


@pytest.mark.parametrize("shape", [(3,), (1, 2, 5, 4)])
@pytest.mark.parametrize("reach", [0.1, 4.0, 40.0])
def test_it_computes_the_same(shape: tuple[int, ...], reach: float) -> None:
    s = Sketch()
    x = s.op("Mul", s.input("x", *shape), s.keep(np.array(reach)))
    s.op("Neg", s.op("Sigmoid", x), output="y")
    found = rewritten(s.model("y"), SigmoidToTanh())
    assert found.difference <= 1e-6
    assert "Sigmoid" not in kinds(found.model)
    assert "Tanh" in kinds(found.model)
    assert_settled(found.model, SigmoidToTanh())


def test_one_that_is_the_model_s_output_keeps_its_name() -> None:
    s = Sketch()
    s.op("Sigmoid", s.input("x", 1, 3), output="y")
    found = rewritten(s.model("y"), SigmoidToTanh())
    assert [value.name for value in found.model.graph.output] == ["y"]


@pytest.mark.parametrize("kind", ["Tanh", "HardSigmoid", "Softplus"])
def test_others_stay(kind: str) -> None:
    s = Sketch()
    s.op(kind, s.input("x", 1, 3), output="y")
    assert_untouched(s.model("y"), SigmoidToTanh())
