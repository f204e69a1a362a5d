from __future__ import annotations

import numpy as np
import pytest

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import (
    needs_onnx_runtime_for,
    needs_schema,
    run_everywhere,
    written,
)
from tests.quantize.graphs import Sketch

needs_schema()


def _norm(*parts: float | None, shape: tuple[int, ...] = (1, 3, 16, 16)) -> Sketch:
    """A norm whose scale and bias are random (None) or a number."""
    s = Sketch()
    rows = [s.noise(shape[1]) if n is None else s.keep(np.full(shape[1], n)) for n in parts]
    s.op("InstanceNormalization", s.input("x", *shape), *rows, output="y", epsilon=1e-5)
    return s


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("bias", [None, 0.0])
@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 8, 4, 4), (1, 4, 30)])
def test_instance_norm(scale: float | None, bias: float | None, shape: tuple[int, ...]) -> None:
    made = written(_norm(scale, bias, shape=shape).model("y"))
    assert made["MUL"] == 2 + (scale is None)
    assert made["ADD"] == 1 + (bias is None)


def test_styles_that_are_computed() -> None:
    s = Sketch()
    x, style = s.input("x", 1, 3, 16, 16), s.input("style", 1, 3)
    gain = s.op("Squeeze", style, s.ints(0))
    s.op("InstanceNormalization", x, gain, gain, output="y")
    written(s.model("y"))


@pytest.mark.parametrize("level", [100.0, 0.0])
def test_a_flat_channel_gives_nothing(level: float) -> None:
    s = _norm(1.0, 0.0)
    feeds = {"x": np.full((1, 3, 16, 16), level, np.float32)}
    for arrays in run_everywhere(to_tflite(s.model("y")), feeds).values():
        assert np.all(np.isfinite(arrays["y"]))
        assert np.abs(arrays["y"]).max() < 1e-2


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_layer_norm(axis: int) -> None:
    s = Sketch()
    shape = (2, 5, 6)
    rows = [s.noise(*shape[axis:]) for _ in range(2)]
    s.op("LayerNormalization", s.input("x", *shape), *rows, output="y", axis=axis)
    written(s.model("y"))


@pytest.mark.parametrize(("scale", "bias"), [((5, 6), (6,)), ((6,), (5, 6)), ((5, 6), (5, 1))])
def test_layer_norm_with_a_bias_of_another_shape(
    scale: tuple[int, ...], bias: tuple[int, ...]
) -> None:
    s = Sketch()
    rows = [s.noise(*scale), s.noise(*bias)]
    s.op("LayerNormalization", s.input("x", 2, 5, 6), *rows, output="y", axis=-2)
    needs_onnx_runtime_for(s.model("y"))
    written(s.model("y"))


def test_the_mean_of_a_layer_norm_is_refused() -> None:
    s = Sketch()
    s.op("LayerNormalization", s.input("x", 2, 5), s.noise(5), output="y")
    s.nodes[-1].output.append("mean")
    with pytest.raises(TFLiteError, match=r"'LayerNormalization_y' .*mean"):
        to_tflite(s.model("y"))


@pytest.mark.parametrize("shape", [(1, 3, 6, 8), (4, 3)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    s = Sketch()
    rows = [s.noise(3), s.noise(3), s.noise(3), s.keep(s.rng.uniform(0.5, 2, 3))]
    s.op("BatchNormalization", s.input("x", *shape), *rows, output="y")
    assert written(s.model("y")) == {"MUL": 1, "ADD": 1}
