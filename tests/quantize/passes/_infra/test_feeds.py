"""Random inputs look like what a model will be fed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quantize.errors import GraphError
from quantize.passes import InputSpec, draw_feeds
from quantize.passes._infra.feeds import channels_first


def _model(*inputs: tuple[str, int, list[int | str] | None]) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(*value) for value in inputs]
    graph = helper.make_graph([], "g", values, [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


SWAPPER = _model(
    ("target", TensorProto.FLOAT, [1, 3, 24, 20]), ("source", TensorProto.FLOAT, [1, 512])
)


def test_pictures_are_smooth_and_vectors_of_unit_length() -> None:
    feeds = draw_feeds(SWAPPER, count=1)[0]
    picture = feeds["target"]
    assert picture.shape == (1, 3, 24, 20)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < 0.4 < 0.6 < picture.max() <= 1
    assert np.abs(np.diff(picture, axis=-1)).mean() < 0.08
    assert not np.allclose(picture[0, 0], picture[0, 1])
    assert np.linalg.norm(feeds["source"]) == pytest.approx(1, abs=1e-6)


def test_the_seed_decides() -> None:
    first, again, other = (draw_feeds(SWAPPER, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[1]["target"], again[1]["target"])
    assert not np.array_equal(first[0]["target"], first[1]["target"])
    assert not np.array_equal(first[0]["target"], other[0]["target"])


def test_ranges_and_channels_last() -> None:
    model = _model(("x", TensorProto.FLOAT, [1, 16, 16, 3]))
    picture = draw_feeds(model, {"x": InputSpec("picture", -1, 1)}, count=1)[0]["x"]
    assert picture.shape == (1, 16, 16, 3)
    assert -1 <= picture.min() < -0.1 < 0.1 < picture.max() <= 1


def test_open_sizes() -> None:
    model = _model(("x", TensorProto.FLOAT16, ["n", 3, "h", "w"]))
    assert draw_feeds(model)[0]["x"].shape == (1, 3, 64, 64)
    given = draw_feeds(model, {"x": InputSpec("picture", shape=(1, 3, 8, 8))})[0]["x"]
    assert given.shape == (1, 3, 8, 8)
    assert given.dtype == np.float16


def test_other_inputs() -> None:
    model = _model(("noise", TensorProto.FLOAT, [2, 7, 3]), ("flag", TensorProto.BOOL, [1]))
    feeds = draw_feeds(model)[0]
    assert feeds["noise"].shape == (2, 7, 3)
    assert feeds["flag"].dtype == np.bool_


def test_an_input_without_a_shape() -> None:
    with pytest.raises(GraphError, match="'x' does not say how many axes it has"):
        draw_feeds(_model(("x", TensorProto.FLOAT, None)))


def test_pictures_are_turned_for_engines_that_want_their_channels_first() -> None:
    rng = np.random.default_rng(0)
    shapes = {"last": (1, 8, 6, 3), "mask": (1, 8, 6, 1), "first": (1, 3, 8, 6), "row": (1, 512)}
    feeds = {name: rng.random(shape) for name, shape in shapes.items()}
    turned = channels_first(feeds)
    for name in ("last", "mask"):
        np.testing.assert_array_equal(turned[name], feeds[name].transpose(0, 3, 1, 2))
    assert turned["first"] is feeds["first"]
    assert turned["row"] is feeds["row"]
