from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()


@pytest.mark.parametrize("transposed", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 1.0), (1.0, 2.0), (0.5, 2.0)])
@pytest.mark.parametrize("shift", [(), (5,), (1, 5), (4, 5), None])
def test_gemm(
    transposed: tuple[int, int], alpha: float, beta: float, shift: tuple[int, ...] | None
) -> None:
    s = Sketch()
    x = s.input("x", *((6, 4) if transposed[0] else (4, 6)))
    weight = s.noise(*((5, 6) if transposed[1] else (6, 5)))
    inputs = [x, weight, *([] if shift is None else [s.noise(*shift)])]
    given: dict[str, Any] = {"transA": transposed[0], "transB": transposed[1]}
    s.op("Gemm", *inputs, output="y", alpha=alpha, beta=beta, **given)
    made = written(s.model("y"))
    assert made["FULLY_CONNECTED"] == 1
    simple = (alpha, beta) == (1, 1) and shift in ((5,), (1, 5), None)
    assert made.total() - made["TRANSPOSE"] == 1 or not simple


def test_gemm_of_two_inputs() -> None:
    s = Sketch()
    s.op("Gemm", s.input("a", 3, 4), s.input("b", 5, 4), output="y", transB=1)
    written(s.model("y"))


@pytest.mark.parametrize("left", [(3, 4), (2, 3, 4), (1, 2, 3, 4)])
def test_matmul_by_weights(left: tuple[int, ...]) -> None:
    s = Sketch()
    s.op("MatMul", s.input("x", *left), s.noise(4, 6), output="y")
    made = written(s.model("y"))
    assert made["FULLY_CONNECTED"] == 1
    assert not made["BATCH_MATMUL"]


@pytest.mark.parametrize(("left", "right"), [((2, 3, 4), (2, 4, 5)), ((1, 2, 3, 4), (1, 2, 4, 5))])
def test_matmul_of_two_inputs(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    s = Sketch()
    s.op("MatMul", s.input("a", *left), s.input("b", *right), output="y")
    assert written(s.model("y"))["BATCH_MATMUL"] == 1


def test_a_vector_is_refused() -> None:
    s = Sketch()
    s.op("MatMul", s.input("a", 4), s.input("b", 4, 5), output="y")
    with pytest.raises(TFLiteError, match=r"'MatMul_y' \(MatMul\).*vector"):
        to_tflite(s.model("y"))


def test_weights_in_half_the_bits() -> None:
    s = Sketch()
    s.op("Gemm", s.input("x", 1, 64), s.noise(32, 64), s.noise(32), output="y", transB=1)
    model = s.model("y")
    assert written(model, tolerance=0.05, weights="fp16")["DEQUANTIZE"] == 1
    assert len(to_tflite(model)) - len(to_tflite(model, weights="fp16")) > 32 * 64 * 2 - 256


def test_scalar_weights_do_not_crash_it() -> None:
    s = Sketch()
    x = s.op("Gemm", s.input("x", 1, 8), s.noise(8, 8), s.keep(np.float32(0.5)))
    s.op("Mul", x, s.keep(np.float32(2.0)), output="y")
    written(s.model("y"), weights="fp16")
