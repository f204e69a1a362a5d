from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edge.backends._onnx_contents import metadata_of, unread_matrices
from edge.errors import ModelError
from tests import tiny


def _model(*sides: int, read: bool = False) -> onnx.ModelProto:
    stored = [
        numpy_helper.from_array(np.full((side, side), side, np.float32), f"m{number}")
        for number, side in enumerate(sides)
    ]
    names = [tensor.name for tensor in stored] if read else []
    node = helper.make_node("Sum", ["x", *names], ["y"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", 1, [8, 8])], [value("y", 1, None)], stored)
    return helper.make_model(graph)


def _save(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_matrices_of_the_size_that_nothing_reads_are_returned(tmp_path: Path) -> None:
    found = unread_matrices(_save(tmp_path, _model(8, 4, 8)), 8)
    assert [each.name for each in found] == ["m0", "m2"]
    assert (found[0].values == 8).all()
    assert unread_matrices(_save(tmp_path, _model(8, 8, read=True)), 8) == []


def test_weights_in_other_files_and_whole_numbers_are_left_alone(tmp_path: Path) -> None:
    model = _model(8, 8)
    first, second = model.graph.initializer
    first.ClearField("raw_data")
    first.data_location = onnx.TensorProto.EXTERNAL
    first.external_data.add(key="location", value="w.bin")
    second.CopyFrom(numpy_helper.from_array(np.ones((8, 8), np.int32), "m1"))
    assert unread_matrices(_save(tmp_path, model), 8) == []


def test_only_so_many_are_read(tmp_path: Path) -> None:
    assert len(unread_matrices(_save(tmp_path, _model(*[8] * 40)), 8)) == 16


def test_metadata_is_read(tmp_path: Path) -> None:
    model = _model(8)
    model.metadata_props.add(key="a", value="1")
    model.metadata_props.add(key="b", value="é")
    assert metadata_of(_save(tmp_path, model)) == {"a": "1", "b": "é"}
    assert metadata_of(_save(tmp_path, _model(8))) == {}


def test_endless_metadata_is_not_all_read(tmp_path: Path) -> None:
    model = _model(8)
    model.metadata_props.add(key="a", value="x" * 2_000_000)
    model.metadata_props.add(key="b", value="1")
    assert "a" not in metadata_of(_save(tmp_path, model))


@settings(deadline=None, max_examples=40)
@given(cut=st.integers(0, 3000), byte=st.integers(0, 255), at=st.integers(0, 2999))
def test_damaged_files_are_refused_or_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int, at: int
) -> None:
    data = bytearray(tiny.swapper(size=16)[:3000])
    data[at % len(data)] = byte
    path = tmp_path_factory.mktemp("cut") / "m.onnx"
    path.write_bytes(bytes(data[:cut]))
    for look in (lambda: unread_matrices(path, 8), lambda: metadata_of(path)):
        try:
            look()
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017
