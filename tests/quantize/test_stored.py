"""A model taken apart and put together again is the same model."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from quantize.stored import assemble, constants_of, without_constants
from tests.quantize.graphs import Sketch
from tests.quantize.half_graphs import FAMILIES, interface, worst_psnr


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_apart_and_together(name: str) -> None:
    model = FAMILIES[name]()
    model.metadata_props.add(key="made by", value="a test")
    bare, tensors = without_constants(model), constants_of(model)
    assert not bare.graph.initializer
    assert set(tensors) == {tensor.name for tensor in model.graph.initializer}
    again = assemble(bare, tensors.values())
    assert interface(again) == interface(model)
    assert again.metadata_props[0].key == "made by"
    assert worst_psnr(model, again, samples=1) == 99.0


def test_constant_nodes_become_values() -> None:
    s = Sketch()
    x = s.input("x", 1, 2)
    one = s.op("Constant", value_floats=[1.0, 2.0])
    two = s.op("Constant", value=numpy_helper.from_array(np.array(3, np.float32)))
    s.op("Add", s.op("Mul", x, one), two, output="output")
    model = s.model("output")
    bare, tensors = without_constants(model), constants_of(model)
    assert [node.op_type for node in bare.graph.node] == ["Mul", "Add"]
    assert numpy_helper.to_array(tensors[one]).tolist() == [1.0, 2.0]
    assert numpy_helper.to_array(tensors[two]).shape == ()
    assert worst_psnr(model, assemble(bare, tensors.values()), samples=1) == 99.0


def test_constants_that_hold_no_numbers_stay_nodes() -> None:
    s = Sketch()
    s.op("Constant", value_string="text", output="word")
    s.op("Neg", s.input("x", 1, 2), output="output")
    bare = without_constants(s.model("output"))
    assert [node.op_type for node in bare.graph.node] == ["Constant", "Neg"]
