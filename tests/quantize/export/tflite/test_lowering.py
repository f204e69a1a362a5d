from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.errors import TFLiteError
from quantize.export.tflite.lowering import Lowering, Value, describe
from tests.quantize.graphs import Sketch


def _low() -> Lowering:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 5)
    s.op("Add", x, s.keep(np.arange(60).reshape(1, 3, 4, 5), "number"), output="y")
    low = Lowering(s.model("y"), "fp32")
    low.bind("x", low.writer.tensor("x", (1, 4, 5, 3)), (0, 2, 3, 1))
    return low


def test_what_is_turned_once_is_turned_once() -> None:
    low = _low()
    assert low.operand("x", None) == low.values["x"].tensor
    first, second = (low.operand("x", (0, 1, 2, 3)) for _ in range(2))
    assert first == second
    assert [operator.kind for operator in low.writer.operators] == ["TRANSPOSE"]
    assert low.tensor(first).shape == (1, 3, 4, 5)


def test_a_vector_is_reshaped_not_turned() -> None:
    low = _low()
    value = Value(low.writer.tensor("v", (1, 7)), (1, 7), (0, 1))
    made = low.reshaped(value, (1, 7, 1, 1))
    assert low.tensor(made.tensor).shape == (1, 1, 1, 7)
    assert low.arranged(made, (0, 1, 2, 3)) != made.tensor
    assert {operator.kind for operator in low.writer.operators} == {"RESHAPE"}


def test_constants_are_stored_once_per_order() -> None:
    low = _low()
    one, same, other = (low.constant("number", o) for o in (None, (0, 2, 3, 1), (0, 1, 2, 3)))
    assert one == same != other
    load = low.tensor(one).load
    assert load is not None
    expected = np.arange(60).reshape(1, 3, 4, 5).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(load(), expected)


def test_equal_numbers_are_stored_once() -> None:
    low = _low()
    assert low.numbers([1, 2], "a") == low.numbers((1, 2), "b")
    assert low.numbers([1, 2], "a") != low.numbers([2, 1], "a")
    assert low.numbers([1, 2], "a") != low.numbers([1, 2], "a", "float32")


def test_what_is_read_too_early_is_named() -> None:
    with pytest.raises(TFLiteError, match="'y' is read before"):
        _low().value("y")


def test_a_node_without_a_name_is_known_by_its_output() -> None:
    assert describe(onnx.helper.make_node("Relu", ["x"], ["y"])) == "node 'y' (Relu)"
