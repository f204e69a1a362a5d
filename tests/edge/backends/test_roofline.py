from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge.backends import _roofline
from edge.backends._roofline import SIDE, multiply_adds, products
from edge.errors import BackendError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def _value(name: str, shape: list[Any] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _weights(name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    values = np.zeros(shape, np.float32)
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values.tobytes(), raw=True)


CASES = {
    # kernel of 3 x 3, 6 channels in 2 groups to 8, 10 x 12 out
    "conv": ("Conv", {"group": 2, "pads": [1] * 4}, (8, 3, 3, 3), (1, 6, 10, 12), 8 * 120 * 27),
    "transposed": ("ConvTranspose", {}, (6, 4, 3, 3), (1, 6, 10, 12), 6 * 120 * 36),
    "gemm": ("Gemm", {}, (20, 30), (4, 20), 4 * 30 * 20),
    "gemm, turned": ("Gemm", {"transA": 1, "transB": 1}, (30, 20), (20, 4), 4 * 30 * 20),
    "product": ("MatMul", {}, (20, 30), (3, 5, 20), 3 * 5 * 30 * 20),
    "no arithmetic": ("Add", {}, (1,), (1, 6, 10, 12), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_multiply_adds_are_counted_by_shapes(case: str, tmp_path: Path) -> None:
    operator, attributes, weights, given, expected = CASES[case]
    node = helper.make_node(operator, ["x", "w"], ["y"], **attributes)  # type: ignore[arg-type]
    value = _value("x", ["n", *given[1:]])
    graph = helper.make_graph([node], "g", [value], [_value("y", None)], [_weights("w", weights)])
    opset = [helper.make_opsetid("", 13)]
    path = tmp_path / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    assert multiply_adds(path, {"x": given}) == expected
    assert list(tmp_path.iterdir()) == [path]


def test_quantized_operators_are_counted_by_their_weights() -> None:
    scale = [1]
    into = [[1, 6, 10, 12], scale, scale, [8, 6, 3, 3], scale, scale, scale, scale]
    assert _roofline._of_one("QLinearConv", into, [[1, 8, 10, 12]]) == 8 * 120 * 54
    into = [[4, 20], scale, scale, [20, 30], scale, scale, scale, scale]
    assert _roofline._of_one("QLinearMatMul", into, [[4, 30]]) == 4 * 20 * 30
    assert _roofline._of_one("Conv", [], []) == 0


def test_a_file_that_does_not_run_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(BackendError, match=r"broken\.onnx: cannot be profiled"):
        multiply_adds(path, {})


def test_products_multiply_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_roofline, "SIDE", 8)
    found = {each.kind: each for each in products(1)}
    assert set(found) == {"float32", "int8"}
    assert SIDE > 256
    for each in found.values():
        feeds = each.run.args[1]  # type: ignore[attr-defined]
        result = each.run()[0]  # type: ignore[index]
        expected = feeds["a"].astype(np.float64) @ feeds["b"].astype(np.float64)
        np.testing.assert_array_equal(result, expected)
        assert each.operations == 2 * 8**3


@pytest.mark.parametrize("kind", ["MatMul", "MatMulInteger"])
def test_the_models_made_by_hand_are_sound(kind: str) -> None:
    types = (1, 1, 1) if kind == "MatMul" else (2, 3, 6)
    onnx.checker.check_model(onnx.load_from_string(_roofline._product(kind, *types)))
