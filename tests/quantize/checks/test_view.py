"""A model as the rules see it."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from quantize.checks.view import View
from tests.quantize.checks.models import layer, of, rounded, stored
from tests.quantize.graphs import Sketch


def test_what_is_computed_at_load_is_stored() -> None:
    def build(s: Sketch, x: str) -> str:
        half = s.keep(np.ones((4, 4, 1, 1)), kind=np.float16)
        return s.op("Conv", x, s.op("Cast", half, to=TensorProto.FLOAT, output="w"))

    view = View(of(build))
    assert [node.op_type for node in view.nodes] == ["Conv", "Tanh"]
    assert view.is_fixed("w")
    value = view.value("w")
    assert value is not None
    assert value.shape == (4, 4, 1, 1)
    assert view.value("x") is None
    assert view.is_fixed("")
    assert not view.is_fixed("x")


def test_a_stored_8_bit_weight_stays_apart() -> None:
    view = View(of(lambda s, x: s.op("Conv", x, stored(s, 4, 4, 1, 1))))
    conv = next(node for node in view.nodes if node.op_type == "Conv")
    assert view.weight_source(conv.input[1]) is not None
    assert not view.is_fixed(conv.input[1])
    assert view.rounded_inputs(conv) == []
    assert not view.is_unit(conv)


def test_units() -> None:
    def build(s: Sketch, x: str) -> str:
        x = s.op("Relu", layer(s, x))
        both = s.op("Add", rounded(s, x), rounded(s, s.op("Abs", x)))
        return s.op("Mul", rounded(s, both), s.keep(2.0))

    view = View(of(build))
    units = {node.op_type for node in view.nodes if view.is_unit(node)}
    assert units == {"Conv", "Add"}
    assert len(list(view.pairs())) == 12
    conv = next(node for node in view.nodes if node.op_type == "Conv")
    assert len(view.quantizers(conv)) == 1
    assert view.integers(view.quantizers(conv)[0]) == TensorProto.INT8
