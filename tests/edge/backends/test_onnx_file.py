from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edge.backends._onnx_file import check_onnx_file
from edge.errors import ModelError
from tests import tiny


def _external(tensor: onnx.TensorProto, location: str) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value=location)


def _with_weight_at(location: str, *, nested: bool = False) -> bytes:
    """Return a model one of whose weights lies at `location`, maybe inside a node's attribute."""
    model = onnx.load_from_string(tiny.embedder())
    tensor = numpy_helper.from_array(np.ones((4,), np.float32), "outside")
    _external(tensor, location)
    if nested:
        branch = helper.make_graph([], "branch", [], [], initializer=[tensor])
        node = helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch)
        model.graph.node.append(node)
    else:
        model.graph.initializer.append(tensor)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("make", [tiny.detector, tiny.embedder, tiny.swapper])
def test_sound_models_pass(make: object, tmp_path: Path) -> None:
    assert callable(make)
    path = tmp_path / "model.onnx"
    path.write_bytes(make())
    check_onnx_file(path)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "a/../../b", "", "a\0b"])
def test_weights_outside_the_folder_are_refused(
    location: str, nested: bool, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(_with_weight_at(location, nested=nested))
    with pytest.raises(ModelError, match="outside its own folder"):
        check_onnx_file(path)


def test_weights_behind_a_link_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"x")
    os.symlink(tmp_path / "secret.bin", folder / "weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(_with_weight_at("weights.bin"))
    with pytest.raises(ModelError, match="outside its own folder"):
        check_onnx_file(path)


def test_weights_beside_the_model_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(_with_weight_at("weights.bin"))
    check_onnx_file(path)


@pytest.mark.parametrize("keep", [0, 1, 5, 40, 0.5, 0.99])
def test_a_truncated_model_is_noticed(keep: float, tmp_path: Path) -> None:
    data = tiny.swapper()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(ModelError):
        check_onnx_file(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        check_onnx_file(tmp_path / "missing.onnx")


def test_deep_nesting_ends(tmp_path: Path) -> None:
    def field(number: int, inside: bytes) -> bytes:
        length = len(inside)
        low = bytes([length & 0x7F | 0x80, length >> 7]) if length > 127 else bytes([length])
        return bytes([number << 3 | 2]) + low + inside

    inside = b""
    for _ in range(60):  # graph > node > attribute > graph > ..
        inside = field(1, field(5, field(6, inside)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(field(7, inside))
    with pytest.raises(ModelError, match="not an ONNX model"):
        check_onnx_file(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_an_answer(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.onnx"
    path.write_bytes(data)
    with contextlib.suppress(ModelError):
        check_onnx_file(path)
