"""Shapes and checks that do not touch the weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from quantize.errors import GraphError
from quantize.passes._infra.shapes import (
    check_model,
    infer_types,
    model_bytes,
    shape_of,
    skeleton,
    tensor_bytes,
)
from tests import tiny
from tests.quantize.graphs import TOPOLOGIES, Sketch


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_a_skeleton_has_the_same_shapes(name: str) -> None:
    model = TOPOLOGIES[name]()
    bones = skeleton(model, large=1000)
    assert bones.ByteSize() < model.ByteSize() / 2
    onnx.checker.check_model(bones, full_check=True)
    whole = onnx.shape_inference.infer_shapes(model, data_prop=True)
    types = infer_types(model)
    for value in whole.graph.value_info:
        assert shape_of(types[value.name]) == shape_of(value)


def test_sizes_without_reading() -> None:
    tensor = numpy_helper.from_array(np.zeros((3, 5), np.float16), "t")
    assert tensor_bytes(tensor) == 30
    model = TOPOLOGIES["inswapper"]()
    assert model_bytes(model) == pytest.approx(model.ByteSize(), rel=0.02)


def test_what_the_checker_refuses() -> None:
    s = Sketch()
    s.op("Add", s.input("x", 1, 3), s.noise(1, 3), output="output")
    model = s.model("output")
    check_model(model)
    model.graph.node[0].input.append("x")
    with pytest.raises(GraphError, match="not a valid ONNX model"):
        check_model(model)


def test_shapes_that_contradict_each_other() -> None:
    s = Sketch()
    s.op("Conv", s.input("x", 1, 3, 8, 8), s.noise(2, 3, 3, 3), output="output")
    model = s.model("output")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    with pytest.raises(GraphError, match="not a valid ONNX model"):
        check_model(model)


def test_a_type_that_there_is_not() -> None:
    model = onnx.load_from_string(tiny.swapper(32))
    model.graph.input[1].type.tensor_type.elem_type = 32767
    with pytest.raises(GraphError, match="not a valid ONNX model"):
        check_model(model)
