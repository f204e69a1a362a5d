"""Dividing instead of multiplying by a reciprocal."""

from __future__ import annotations

import pytest

from quantize.passes import InputSpec, ReciprocalToDiv
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten

POSITIVE = InputSpec("uniform", 0.5, 2.0)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_factor(swapped: bool) -> None:
    s = Sketch()
    x = s.input("x", 1, 3)
    pair = (s.op("Reciprocal", x), s.op("Neg", x))
    s.op("Mul", *(pair[::-1] if swapped else pair), output="output")
    model = rewritten(s.model("output"), ReciprocalToDiv(), x=POSITIVE).model
    assert kinds(model) == {"Neg", "Div"}
    assert_settled(model, ReciprocalToDiv())


def test_read_twice() -> None:
    s = Sketch()
    r = s.op("Reciprocal", s.input("x", 1, 3))
    s.op("Mul", r, s.op("Mul", r, r), output="output")
    model = rewritten(s.model("output"), ReciprocalToDiv(), x=POSITIVE).model
    assert "Reciprocal" not in kinds(model)


def test_squared() -> None:
    s = Sketch()
    r = s.op("Reciprocal", s.input("x", 1, 3))
    s.op("Mul", r, r, output="output")
    model = rewritten(s.model("output"), ReciprocalToDiv(), x=POSITIVE).model
    assert kinds(model) == {"Div", "Mul"}


def test_an_output() -> None:
    s = Sketch()
    s.op("Reciprocal", s.input("x", 1, 3), output="output")
    assert kinds(rewritten(s.model("output"), ReciprocalToDiv(), x=POSITIVE).model) == {"Div"}


def test_nothing_to_do() -> None:
    s = Sketch()
    s.op("Neg", s.input("x", 1, 3), output="output")
    assert_untouched(s.model("output"), ReciprocalToDiv())
