"""The outline of a graph is what the onnx package says of it, and hostile files are refused."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.backends import _onnx_outline
from edge.backends._onnx_outline import outline_of
from edge.errors import ModelError
from tests import families, tiny


def _sides(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


@pytest.mark.parametrize("name", sorted(families.BUILDERS))
def test_it_is_what_the_onnx_package_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(families.model_bytes(name))
    model = onnx.load_from_string(path.read_bytes())
    found = outline_of(path)
    assert found.operators == Counter(node.op_type for node in model.graph.node)
    assert [port.name for port in found.inputs] == [each.name for each in model.graph.input]
    assert [port.shape for port in found.outputs] == [_sides(each) for each in model.graph.output]
    assert {port.kind for port in found.inputs} == {"float32"}
    counts = [int(np.prod(tensor.dims)) for tensor in model.graph.initializer]
    assert found.parameters == sum(counts)
    assert found.opset == model.opset_import[0].version


def _model(tmp_path: Path, values: dict[str, np.ndarray], **changes: object) -> Path:
    """Return a file with weights, which are listed among the inputs as old exporters did."""
    stored = [numpy_helper.from_array(value, name) for name, value in values.items()]
    listed = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in stored]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None, 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [given, *listed], [out], initializer=stored)
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, producer_name="me").SerializeToString())
    return path


def test_weights_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    found = outline_of(_model(tmp_path, {"w": np.zeros((4, 5), np.float32)}))
    assert [port.text for port in found.inputs] == ["x float32 [?, 3, ?, 8]"]
    assert [port.text for port in found.outputs] == ["y float32 [?]"]
    assert (found.producer, found.parameters) == ("me", 20)


@pytest.mark.parametrize(
    ("kinds", "precision"),
    [
        ((np.float32, np.float32), "fp32"),
        ((np.float16, np.float32), "fp16"),
        ((np.int8, np.float32), "w8"),
        ((np.uint8, np.float16), "w8"),
    ],
)
def test_the_precision_is_that_of_most_weights(
    tmp_path: Path, kinds: tuple[type, type], precision: str
) -> None:
    values: dict[str, np.ndarray] = {
        "large": np.zeros((50, 50), kinds[0]),
        "small": np.zeros(7, kinds[1]),
    }
    assert outline_of(_model(tmp_path, values)).precision == precision


def test_the_fingerprint_is_of_the_topology_alone(tmp_path: Path) -> None:
    one = outline_of(_model(tmp_path, {"a": np.zeros((2, 3)), "b": np.ones(4)}))
    renamed = outline_of(_model(tmp_path, {"q": np.ones(4), "p": np.full((2, 3), 5.0)}))
    other = outline_of(_model(tmp_path, {"a": np.zeros((3, 2)), "b": np.ones(4)}))
    assert one.fingerprint == renamed.fingerprint != other.fingerprint


@pytest.mark.parametrize("data", [b"", b"no model at all", b"\x08\x08", b"\x3a\xff"])
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"model.onnx: not a"):
        outline_of(path)
    with pytest.raises(ModelError, match=r"missing.onnx: not a readable"):
        outline_of(tmp_path / "missing.onnx")


def test_a_graph_of_endless_parts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.swapper())
    monkeypatch.setattr(_onnx_outline, "_MOST_PARTS", 3)
    with pytest.raises(ModelError, match="more than 3 parts"):
        outline_of(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_file_is_an_error_or_an_outline(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(tiny.embedder()[-2000:] if data.draw(st.booleans()) else tiny.swapper())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(whole[:cut]))
    with contextlib.suppress(ModelError):
        assert outline_of(path).parameters >= 0
