"""Clean: what leads nowhere goes, what matters keeps its name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.errors import PassError, PostconditionError, PreconditionError
from quantize.passes import Clean, clean
from tests.quantize.graphs import TOPOLOGIES, Sketch, assert_settled, kinds, rewritten, weight_sizes


def _untidy() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("picture", 1, 3, 8, 8)
    s.op("Relu", s.op("Neg", x))
    s.noise(4, 4)
    y = s.conv(s.op("Identity", x), 3, 4)
    size = s.op("Constant", value_ints=[1, 4, 64])
    flat = s.op("Reshape", y, s.op("Identity", size))
    s.op("Identity", flat, output="rows")
    return s.model("rows")


def test_dead_ends_and_constants_go() -> None:
    model = rewritten(_untidy(), Clean()).model
    assert kinds(model) == {"Conv", "Reshape"}
    assert [value.name for value in model.graph.input] == ["picture"]
    assert [value.name for value in model.graph.output] == ["rows"]
    assert len(model.graph.initializer) == 3
    assert not model.graph.value_info
    assert_settled(model, Clean())


@pytest.mark.parametrize("name", ["mobile", "hyperswap", "reference"])
def test_topologies(name: str) -> None:
    model = TOPOLOGIES[name]()
    once = rewritten(model, Clean())
    assert once.steps[0].nodes_after < once.steps[0].nodes_before
    assert_settled(once.model, Clean())


def test_large_weights_stay_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean, "_LARGE", 200)
    model = _untidy()
    large = [name for name, shape in weight_sizes(model).items() if np.prod(shape) > 50]
    assert len(large) == 1
    result = rewritten(model, Clean()).model
    assert kinds(result) == {"Conv", "Reshape"}
    assert large[0] in weight_sizes(result)
    assert_settled(result, Clean())


def test_constants_that_are_listed_as_inputs() -> None:
    model = _untidy()
    for tensor in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    model = rewritten(model, Clean()).model
    stored = {tensor.name for tensor in model.graph.initializer}
    assert {value.name for value in model.graph.input} - stored == {"picture"}


def test_an_emap_is_not_lost() -> None:
    with pytest.raises(PreconditionError, match=r"'emap' looks like an emap.*run lift_emap"):
        rewritten(TOPOLOGIES["inswapper"](), Clean())


def test_what_onnxslim_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("onnxslim.slim", fail)
    with pytest.raises(PassError, match="onnxslim cannot read the model: 'no such thing'"):
        rewritten(_untidy(), Clean())


def test_an_output_that_is_a_constant_stays() -> None:
    s = Sketch()
    s.op("Relu", s.op("Identity", s.input("x", 1, 3, 8, 8)), output="y")
    value = onnx.numpy_helper.from_array(np.array([[1, 2]], np.float32))
    s.op("Constant", output="k", value=value)
    model = rewritten(s.model("y", "k"), Clean()).model
    assert kinds(model) == {"Relu", "Constant"}
    assert_settled(model, Clean())


def test_another_constant_may_not_stay_beside_it() -> None:
    s = Sketch()
    size = s.op("Constant", value_ints=[1, 192])
    s.op("Reshape", s.input("x", 1, 3, 8, 8), size, output="y")
    s.op("Constant", output="k", value=onnx.numpy_helper.from_array(np.array([[1, 2]], np.float32)))
    model = s.model("y", "k")
    with pytest.raises(PostconditionError, match="Constant or Identity nodes left"):
        Clean().ensures(model)
