"""Split, as each opset writes it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.passes._infra.engine import run_model
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.splitting import split
from tests.quantize.graphs import Sketch


@pytest.mark.parametrize("opset", [11, 12, 13, 18])
def test_the_parts_are_what_they_are_said_to_be(opset: int) -> None:
    s = Sketch(opset=opset)
    s.op("Neg", s.input("x", 2, 6), output="y")
    graph = Graph(s.model("y"))
    parts = split(graph, "y", (1, 3, 2), axis=1)
    assert len(set(parts)) == 3
    graph.outputs = tuple(parts)
    model = graph.finish()
    del model.graph.output[:]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, None])
        for name in parts
    )
    onnx.checker.check_model(model)
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    found = run_model(model, [{"x": x}])[0]
    assert all(
        np.array_equal(found[name], -part)
        for name, part in zip(parts, np.split(x, [1, 4], axis=1), strict=True)
    )
