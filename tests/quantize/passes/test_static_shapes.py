"""Open sizes are fixed, or named."""

from __future__ import annotations

import onnx
import pytest

from quantize.errors import PreconditionError
from quantize.passes import StaticShapes
from quantize.passes._infra.shapes import shape_of
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, rewritten


def _model(*shape: int | str) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("target", *shape)
    s.op("Relu", s.conv(x, 3, 4, strides=[2, 2]), output="output")
    return s.model("output")


def test_given_sizes() -> None:
    step = StaticShapes({"target": (1, 3, 12, 10)})
    model = rewritten(_model("n", 3, "h", "w"), step).model
    assert shape_of(model.graph.input[0]) == (1, 3, 12, 10)
    assert shape_of(model.graph.output[0]) == (1, 4, 6, 5)
    assert_settled(model, step)


def test_one_crop_at_a_time() -> None:
    model = rewritten(_model("batch", 3, 8, 8), StaticShapes()).model
    assert shape_of(model.graph.input[0]) == (1, 3, 8, 8)
    assert shape_of(model.graph.output[0]) == (1, 4, 4, 4)


def test_nothing_open() -> None:
    assert_untouched(_model(1, 3, 8, 8), StaticShapes())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "'target' has open sizes: state its shape"),
        ({"target": (1, 4, 8, 8)}, "which .1, 4, 8, 8. does not fit"),
        ({"target": (1, 3, 8)}, "does not fit"),
    ],
)
def test_sizes_that_are_missing_or_wrong(sizes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(PreconditionError, match=message):
        StaticShapes(sizes).requires(_model(1, 3, "h", "w"))


def test_an_input_that_does_not_exist() -> None:
    with pytest.raises(PreconditionError, match="no input 'source'"):
        StaticShapes({"source": (1, 512)}).requires(_model(1, 3, 8, 8))
