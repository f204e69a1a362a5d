"""Half precision as storage."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from quantize.engine import Engine
from quantize.fp16_storage import to_stored_half
from quantize.passes import draw_feeds
from tests.quantize.graphs import Sketch, count, reference_like


def elements(model: onnx.ModelProto) -> dict[str, int]:
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def test_half_the_size_and_float32_arithmetic() -> None:
    model = reference_like()
    before = model.SerializeToString(deterministic=True)
    half = to_stored_half(model)
    assert model.SerializeToString(deterministic=True) == before
    assert half.ByteSize() < 0.62 * model.ByteSize()
    inferred = onnx.shape_inference.infer_shapes(half)
    made = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    assert TensorProto.FLOAT16 not in made.values()
    feeds = draw_feeds(model, count=1)[0]
    wanted, got = (Engine(one, kernels="reference").run(feeds) for one in (model, half))
    for name, value in wanted.items():
        assert np.abs(got[name] - value).max() < 5e-3 * max(1, np.abs(value).max())


def test_what_halves_cannot_hold_stays() -> None:
    s = Sketch()
    x = s.input("x", 1, 64, 4, 4)
    for scale in (1.0, 1e6, 1e-9):
        x = s.op("Conv", x, s.noise(64, 64, 1, 1, scale=scale))
    s.op("Conv", x, s.keep(np.ones((1, 64, 1, 1))), output="y")
    half = to_stored_half(s.model("y"))
    assert sorted(elements(half).values()) == [TensorProto.FLOAT] * 3 + [TensorProto.FLOAT16]
    assert count(half, "Cast") == 1


def test_a_weight_that_is_an_output_stays() -> None:
    s = Sketch()
    weight = s.noise(64, 64, 1, 1)
    s.op("Conv", s.input("x", 1, 64, 4, 4), weight, output="y")
    model = s.model("y")
    shape = [64, 64, 1, 1]
    model.graph.output.append(onnx.helper.make_tensor_value_info(weight, TensorProto.FLOAT, shape))
    assert elements(to_stored_half(model))[weight] == TensorProto.FLOAT
