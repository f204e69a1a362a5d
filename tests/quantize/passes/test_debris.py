"""What only says how large things are goes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from quantize.passes import Debris
from tests.quantize.graphs import (
    TOPOLOGIES,
    Sketch,
    assert_settled,
    assert_untouched,
    kinds,
    rewritten,
)


def _cleared(s: Sketch, *expected: str) -> onnx.ModelProto:
    model = rewritten(s.model("output"), Debris()).model
    assert kinds(model) == set(expected)
    assert_settled(model, Debris())
    return model


def test_shape_chains() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 6, 6)
    sides = [
        s.op("Unsqueeze", s.op("Gather", s.op("Shape", x), s.keep(i, kind=np.int64)), s.ints(0))
        for i in (0, 1)
    ]
    s.op("Reshape", x, s.op("Concat", *sides, s.ints(-1), axis=0), output="output")
    _cleared(s, "Reshape")


def test_part_of_a_shape_and_size() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 6, 6)
    sides = s.op("Shape", x, start=2, end=4)
    total = s.op("Cast", s.op("Size", x), to=TensorProto.FLOAT)
    flat = s.op("Reshape", s.op("Mul", x, total), s.op("Concat", s.ints(-1), sides, axis=0))
    s.op("Relu", flat, output="output")
    _cleared(s, "Mul", "Reshape", "Relu")


def test_expand_before_broadcasting() -> None:
    s = Sketch()
    x, column = s.input("x", 1, 4, 6, 6), s.input("column", 1, 4, 1, 1)
    wide = s.op("Expand", column, s.op("Shape", x))
    s.op("Add", s.op("Mul", wide, x), wide, output="output")
    _cleared(s, "Mul", "Add")


@pytest.mark.parametrize("reader", ["alone", "Concat"])
def test_expand_that_is_needed(reader: str) -> None:
    s = Sketch()
    x, column = s.input("x", 1, 4, 6, 6), s.input("column", 1, 4, 1, 1)
    wide = s.op("Expand", column, s.op("Shape", x))
    small = s.op("Add", wide, column)
    s.op("Concat", x, small if reader == "alone" else wide, axis=1, output="output")
    if reader == "Concat":
        del s.nodes[-2]
        _cleared(s, "Expand", "Concat")
    else:
        _cleared(s, "Expand", "Add", "Concat")


def test_no_ops() -> None:
    s = Sketch()
    x = s.op("Cast", s.op("Identity", s.input("x", 1, 4, 6, 6)), to=TensorProto.FLOAT)
    x = s.op("Reshape", s.op("Dropout", x), s.ints(1, 4, 6, 6))
    (x,) = s.split(s.op("Concat", x, axis=1), 4)
    s.op("Relu", x, output="output")
    _cleared(s, "Relu")


def test_split_and_filled_constants() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 2, 2)
    filler = numpy_helper.from_array(np.array([2], np.float32))
    filled = s.op("ConstantOfShape", s.ints(1, 8, 1, 1), value=filler)
    gain, shift = s.split(filled, 4, 4)
    s.op("Add", s.op("Mul", x, gain), shift, output="output")
    _cleared(s, "Mul", "Add")


def test_large_fillings_are_left_to_the_engine() -> None:
    s = Sketch()
    filled = s.op("ConstantOfShape", s.ints(1, 1, 200, 200))
    s.op("Add", s.input("x", 1, 1, 200, 200), filled, output="output")
    assert_untouched(s.model("output"), Debris())


def test_outputs_keep_a_maker() -> None:
    s = Sketch()
    x = s.input("x", 1, 2, 2, 2)
    s.op("Identity", x, output="same")
    s.op("Neg", s.noise(2), output="fixed")
    y = s.op("Relu", x, output="output")
    s.op("Identity", y, output="twice")
    model = s.model("output", "same", "fixed", "twice")
    model = rewritten(model, Debris()).model
    assert kinds(model) == {"Identity", "Relu"}
    assert_settled(model, Debris())


def test_random_numbers_stay_random() -> None:
    s = Sketch()
    noise = s.op("RandomNormal", shape=[1, 2], seed=1.0, dtype=TensorProto.FLOAT)
    s.op("Add", s.input("x", 1, 2), noise, output="output")
    assert_untouched(s.model("output"), Debris())


def test_hyperswap() -> None:
    model = rewritten(TOPOLOGIES["hyperswap"](), Debris()).model
    assert not kinds(model) & {"Expand", "Shape"}
