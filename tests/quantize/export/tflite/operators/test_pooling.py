from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()


def _pool(kind: str, kernel: int, stride: int, pads: tuple[int, ...], **attrs: Any) -> Any:
    s = Sketch()
    x = s.input("x", 1, 3, 7, 8)
    given_ = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
    s.op(kind, x, output="y", **given_, **attrs)
    return s.model("y")


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    ceil=st.integers(0, 1),
)
def test_largest_values(kernel: int, stride: int, pads: tuple[int, ...], ceil: int) -> None:
    assume(max(pads) < kernel)
    try:
        made = written(_pool("MaxPool", kernel, stride, pads, ceil_mode=ceil))
    except TFLiteError as error:
        assert ceil
        assert "nothing but padding" in str(error)  # noqa: PT017
    else:
        assert made["MAX_POOL_2D"] == 1


@pytest.mark.parametrize(
    ("kernel", "stride", "pads"), [(1, 3, (0, 0, 0, 0)), (2, 2, (0, 0, 1, 1)), (3, 3, (2, 2, 2, 2))]
)
def test_windows_beyond_the_picture_are_refused(
    kernel: int, stride: int, pads: tuple[int, ...]
) -> None:
    """ONNX's shape inference counts them, and ONNX Runtime does not."""
    with pytest.raises(TFLiteError, match=r"'MaxPool_y' \(MaxPool\).*nothing but padding"):
        to_tflite(_pool("MaxPool", kernel, stride, pads, ceil_mode=1))


@settings(max_examples=20, deadline=None)
@given(kernel=st.integers(1, 4), stride=st.integers(1, 3), pads=st.tuples(*[st.integers(0, 2)] * 4))
def test_means_with_zeros_around(kernel: int, stride: int, pads: tuple[int, ...]) -> None:
    assume(max(pads) < kernel)
    model = _pool("AveragePool", kernel, stride, pads, count_include_pad=1)
    assert written(model)["AVERAGE_POOL_2D"] == 1


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (3, 1, 1), (1, 1, 0)])
def test_means_of_what_is_there(kernel: int, stride: int, pad: int) -> None:
    made = written(_pool("AveragePool", kernel, stride, (pad,) * 4))
    assert (made["AVERAGE_POOL_2D"], made["PAD"]) == (1, 0)


def test_means_of_uneven_windows_are_refused() -> None:
    with pytest.raises(TFLiteError, match=r"'AveragePool_y' \(AveragePool\).*padded this way"):
        to_tflite(_pool("AveragePool", 3, 1, (2, 2, 0, 0)))


def test_dilated_pools_are_refused() -> None:
    with pytest.raises(TFLiteError, match="dilated"):
        to_tflite(_pool("MaxPool", 2, 1, (0, 0, 0, 0), dilations=[2, 2]))


def test_places_of_the_largest_are_refused() -> None:
    s = Sketch()
    s.op("MaxPool", s.input("x", 1, 3, 7, 8), output="y", kernel_shape=[2, 2])
    s.nodes[-1].output.append("places")
    with pytest.raises(TFLiteError, match="places of the largest"):
        to_tflite(s.model("y"))
