from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()

PICTURE = (1, 3, 6, 8)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize(
    "other", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (8,), (6, 8), (1, 1, 6, 1), PICTURE]
)
@pytest.mark.parametrize("first", [True, False])
def test_numbers_that_go_with_all(kind: str, other: tuple[int, ...], first: bool) -> None:
    s = Sketch()
    number = s.keep(s.rng.uniform(0.5, 2, other))
    pair = [s.op("Add", s.input("x", *PICTURE), s.keep(2.0)), number]
    s.op(kind, *(pair if first else pair[::-1]), output="y")
    assert not written(s.model("y"))["TRANSPOSE"]


SIZES = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(SIZES, SIZES)
def test_inputs_of_any_two_shapes(left: list[int], right: list[int]) -> None:
    for place in range(1, min(len(left), len(right)) + 1):
        if 1 not in (left[-place], right[-place]):
            right[-place] = left[-place]
    s = Sketch()
    s.op("Mul", s.input("a", *left), s.input("b", *right), output="y")
    written(s.model("y"))


def test_more_than_two_at_once() -> None:
    s = Sketch()
    inputs = [s.input(name, *PICTURE) for name in "abc"]
    s.op("Max", *inputs, output="y")
    assert written(s.model("y"))["MAXIMUM"] == 2


def test_styles_meet_pictures_without_moving_them() -> None:
    s = Sketch()
    x, style = s.input("x", *PICTURE), s.input("style", 1, 3)
    column = s.op("Unsqueeze", style, s.ints(2, 3))
    s.op("Add", s.op("Mul", x, column), column, output="y")
    made = written(s.model("y"))
    assert made == {"RESHAPE": 1, "MUL": 1, "ADD": 1}


@pytest.mark.parametrize(
    ("exponent", "kind"), [(2.0, "MUL"), (0.5, "SQRT"), (3.0, "POW"), (-1.0, "POW")]
)
def test_powers(exponent: float, kind: str) -> None:
    s = Sketch()
    s.op("Pow", s.op("Abs", s.input("x", *PICTURE)), s.keep(exponent), output="y")
    assert written(s.model("y"), tolerance=1e-2 if exponent < 0 else 1e-5)[kind] == 1


@pytest.mark.parametrize(
    ("kind", "attrs"),
    [
        ("Abs", {}),
        ("Cos", {}),
        ("Elu", {}),
        ("Exp", {}),
        ("Floor", {}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 0.4, "beta": 0.1}),
        ("HardSwish", {}),
        ("Identity", {}),
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": 0.2}),
        ("Neg", {}),
        ("Relu", {}),
        ("Sigmoid", {}),
        ("Sin", {}),
        ("Softmax", {"axis": 1}),
        ("Softmax", {"axis": -1}),
        ("Tanh", {}),
    ],
)
@pytest.mark.parametrize("shape", [PICTURE, (4, 5)])
def test_activations(kind: str, attrs: dict[str, Any], shape: tuple[int, ...]) -> None:
    s = Sketch()
    s.op(kind, s.op("Mul", s.input("x", *shape), s.keep(4.0)), output="y", **attrs)
    written(s.model("y"), tolerance=5e-5 if kind == "Exp" else 1e-5)


def test_halves_are_rounded_to_even() -> None:
    s = Sketch()
    halves = s.op("Floor", s.op("Mul", s.input("x", *PICTURE), s.keep(9.0)))
    s.op("Round", s.op("Mul", halves, s.keep(0.5)), output="y")
    assert written(s.model("y"), tolerance=0.0)["ROUND"] == 1


@pytest.mark.parametrize("kind", ["Log", "Reciprocal", "Sqrt"])
def test_of_positive_numbers(kind: str) -> None:
    s = Sketch()
    s.op(kind, s.op("Add", s.input("x", *PICTURE), s.keep(2.0)), output="y")
    written(s.model("y"))


@pytest.mark.parametrize(
    ("slope", "kind"),
    [
        ((3, 1, 1), "PRELU"),
        ((1, 3, 1, 1), "PRELU"),
        ((3, 6, 8), "PRELU"),
        ((1,), "LEAKY_RELU"),
        ((), "LEAKY_RELU"),
    ],
)
def test_prelu(slope: tuple[int, ...], kind: str) -> None:
    s = Sketch()
    s.op("PRelu", s.input("x", *PICTURE), s.keep(s.rng.uniform(0, 0.5, slope)), output="y")
    assert written(s.model("y")) == {kind: 1}


@pytest.mark.parametrize(
    ("limits", "kinds"),
    [
        ((0.0, None), {"RELU": 1}),
        ((0.0, 6.0), {"RELU6": 1}),
        ((-0.3, 0.4), {"MAXIMUM": 1, "MINIMUM": 1}),
        ((None, 0.2), {"MINIMUM": 1}),
        ((1e-3, None), {"MAXIMUM": 1}),
        ((None, None), {"RESHAPE": 1}),  # an input cannot be an output as well
    ],
)
def test_clip(limits: tuple[float | None, float | None], kinds: dict[str, int]) -> None:
    s = Sketch()
    bounds = ["" if limit is None else s.keep(np.float32(limit)) for limit in limits]
    s.op("Clip", s.input("x", *PICTURE), *bounds, output="y")
    assert written(s.model("y")) == kinds


def test_an_elu_of_another_slope_is_refused() -> None:
    s = Sketch()
    s.op("Elu", s.input("x", *PICTURE), output="y", alpha=0.5)
    with pytest.raises(TFLiteError, match=r"'Elu_y' \(Elu\).*alpha is not 1"):
        to_tflite(s.model("y"))


def test_integers_are_refused() -> None:
    s = Sketch()
    s.op("Cast", s.op("Cast", s.input("x", *PICTURE), to=6), output="y", to=1)
    with pytest.raises(TFLiteError, match=r"\(Cast\).*floating-point"):
        to_tflite(s.model("y"))


def test_a_softmax_of_old_is_refused() -> None:
    s = Sketch(opset=12)
    s.op("Softmax", s.input("x", *PICTURE), output="y", axis=1)
    with pytest.raises(TFLiteError, match="opset 13"):
        to_tflite(s.model("y"))
