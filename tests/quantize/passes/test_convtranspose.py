"""ConvTranspose as a convolution and DepthToSpace."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantize.passes import ConvTransposeToConv, DepthToSpaceDcr
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, kinds, rewritten


def _model(
    kernel: tuple[int, int],
    group: int = 1,
    shape: tuple[int | str, ...] = (1, 4, 3, 5),
    **attrs: Any,
) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", *shape)
    names = [x, s.noise(4, 6 // group, *kernel, scale=0.3), s.noise(6)]
    s.op("Relu", s.op("ConvTranspose", *names, group=group, **attrs), output="output")
    return s.model("output")


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "extra", "expected"),
    [
        (4, 2, 1, 0, {"Conv", "DepthToSpace", "Relu"}),
        (2, 2, 0, 0, {"Conv", "DepthToSpace", "Relu"}),
        (3, 2, 1, 1, {"Conv", "DepthToSpace", "Relu"}),
        (3, 1, 1, 0, {"Conv", "Relu"}),
        (3, 2, 1, 0, {"Conv", "DepthToSpace", "Slice", "Relu"}),
    ],
)
def test_what_occurs(kernel: int, stride: int, pad: int, extra: int, expected: set[str]) -> None:
    attrs: dict[str, Any] = {
        "strides": [stride] * 2,
        "pads": [pad] * 4,
        "output_padding": [extra] * 2,
    }
    model = rewritten(_model((kernel, kernel), **attrs), ConvTransposeToConv()).model
    assert kinds(model) == expected
    modes = [a.s for n in model.graph.node for a in n.attribute if a.name == "mode"]
    assert modes == [b"DCR"] * ("DepthToSpace" in expected)
    assert_settled(model, ConvTransposeToConv())


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 3),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from([1, 2]),
)
def test_any_geometry(
    kernel: tuple[int, int],
    stride: int,
    pads: tuple[int, ...],
    extra: tuple[int, int],
    dilations: tuple[int, int],
    group: int,
) -> None:
    assume(max(extra) < stride)
    sizes = [
        stride * (n - 1) + e + (k - 1) * d + 1 - pads[i] - pads[i + 2]
        for i, (n, k, e, d) in enumerate(zip((3, 5), kernel, extra, dilations, strict=True))
    ]
    assume(min(sizes) > 0)
    attrs: dict[str, Any] = {
        "strides": [stride] * 2,
        "pads": list(pads),
        "output_padding": list(extra),
        "dilations": list(dilations),
    }
    model = rewritten(
        _model(kernel, group, **attrs), ConvTransposeToConv(), DepthToSpaceDcr()
    ).model
    assert "ConvTranspose" not in kinds(model)
    modes = [a.s for n in model.graph.node for a in n.attribute if a.name == "mode"]
    assert b"CRD" not in modes


def test_open_sizes() -> None:
    model = _model((4, 4), shape=("n", 4, "h", "w"), strides=[2, 2], pads=[1] * 4)
    assert "ConvTranspose" not in kinds(rewritten(model, ConvTransposeToConv()).model)


@pytest.mark.parametrize(
    "attrs",
    [
        {"strides": [2, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "output_shape": [6, 10]},
    ],
    ids=["strides", "auto_pad", "output_shape"],
)
def test_left_alone(attrs: dict[str, Any]) -> None:
    assert_untouched(_model((3, 3), **attrs), ConvTransposeToConv())
