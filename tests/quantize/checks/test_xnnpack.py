"""XNNPACK and the CPU kernels of ARM boards: signed, symmetric, and 8-bit throughout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto

from quantize.checks import xnnpack
from quantize.checks.view import View
from tests.quantize.checks.models import layer, of, rounded, stored, unchecked
from tests.quantize.graphs import Sketch

Build = Callable[[Sketch, str], str]


def good(s: Sketch, x: str) -> str:
    x = layer(s, s.conv(x, 4, 4))
    x = layer(s, s.op("LeakyRelu", x))
    return s.op("Gemm", s.op("Reshape", x, s.ints(1, 256)), stored(s, 256, 8, axis=1))


def test_a_model_that_keeps_the_rules() -> None:
    view = View(of(good))
    assert xnnpack.check(view) == []
    assert "2 of 4 layers in 8 bits" in xnnpack.verdict([], view)
    plain = View(of(lambda s, x: s.conv(x, 4, 4)))
    assert xnnpack.verdict(xnnpack.check(plain), plain).endswith("(1 float layers)")


def test_half_precision_may_be_stored() -> None:
    def build(s: Sketch, x: str) -> str:
        half = s.keep(np.ones((4, 4, 1, 1)), kind=np.float16)
        return s.op("Conv", x, s.op("Cast", half, to=TensorProto.FLOAT))

    assert xnnpack.check(View(of(build))) == []


def _prelu(s: Sketch, x: str) -> str:
    return layer(s, s.op("PRelu", layer(s, x), stored(s, 4, 1, 1)))


def _mirrored(s: Sketch, x: str) -> str:
    padded = s.op("Pad", layer(s, x), s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    return rounded(s, padded)


def test_a_pad_fills_with_a_number_unless_it_says_otherwise() -> None:
    def build(s: Sketch, x: str) -> str:
        x = rounded(s, s.op("Pad", layer(s, x), s.ints(0, 0, 1, 1, 0, 0, 1, 1)))
        return rounded(s, s.op("Pad", x, s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="constant"))

    assert xnnpack.check(View(of(build))) == []


def _without_result(s: Sketch, x: str) -> str:
    return s.op("Conv", rounded(s, x), stored(s, 4, 4, 3, 3), stored(s, 4, kind="s32", scale=0.001))


def _float_bias(s: Sketch, x: str) -> str:
    return rounded(s, s.op("Conv", rounded(s, x), stored(s, 4, 4, 3, 3), s.noise(4)))


def _other_bias(s: Sketch, x: str) -> str:
    bias = stored(s, 4, kind="s32", scale=0.5)
    return rounded(s, s.op("Conv", rounded(s, x), stored(s, 4, 4, 3, 3), bias))


@pytest.mark.parametrize(
    ("rule", "build", "words"),
    [
        ("signed", lambda s, x: rounded(s, x, "u8"), "uint8, not int8"),
        ("signed", lambda s, x: rounded(s, x, scale=[0.1] * 4), "one per channel"),
        ("signed", lambda s, x: rounded(s, x, scale=-1.0), "not above 0"),
        ("symmetric weights", lambda s, x: layer(s, x, zero=5), "zero point is not 0"),
        ("symmetric weights", lambda s, x: layer(s, x, axis=None), "one scale for all outputs"),
        ("whole layer", _without_result, "gives float ones"),
        ("whole layer", _float_bias, "does not have 32 bits"),
        ("whole layer", _other_bias, "another scale"),
        (
            "whole layer",
            lambda s, x: rounded(s, s.op("Conv", rounded(s, x), s.noise(4, 4, 1, 1))),
            "its weight is float",
        ),
        ("stays in int8", _prelu, "no 8-bit kernel"),
        ("stays in int8", _mirrored, "no 8-bit kernel"),
        (
            "float32",
            lambda s, x: s.op(
                "Cast", s.op("Relu", s.op("Cast", x, to=TensorProto.FLOAT16)), to=TensorProto.FLOAT
            ),
            "half precision",
        ),
    ],
)
def test_a_broken_rule(rule: str, build: Build, words: str) -> None:
    view = View(of(build))
    findings = xnnpack.check(view)
    assert {one.rule for one in findings} == {rule}, [one.text for one in findings]
    assert any(words in one.problem for one in findings)
    assert all(one.fix and one.node for one in findings)
    assert "findings" in xnnpack.verdict(findings, view)
    assert rule in xnnpack.RULES


def test_operators_of_another_kind() -> None:
    integer = unchecked(lambda s, x: s.op("QLinearSigmoid", x))
    integer.graph.node[0].domain = "com.microsoft"
    assert "explicit Q/DQ" in {one.rule for one in xnnpack.check(View(integer))}
    strange = unchecked(lambda s, x: s.op("Magic", x))
    strange.graph.node[0].domain = "com.microsoft"
    assert "operator" in {one.rule for one in xnnpack.check(View(strange))}


def test_open_sizes() -> None:
    s = Sketch()
    s.op("Tanh", s.op("Relu", s.input("x", 1, 4, "h", "w")), output="y")
    assert {one.rule for one in xnnpack.check(View(s.model("y")))} == {"static shape"}
