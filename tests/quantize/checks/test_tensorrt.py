"""TensorRT's eleven rules: a model that keeps them, and one that breaks each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quantize.checks import tensorrt
from quantize.checks.finding import Finding
from quantize.checks.view import View
from quantize.targets import load_target
from tests.quantize.checks.models import (
    finished,
    of,
    rounded,
    sketch,
    stored,
    tensorrt_layer,
    unchecked,
)
from tests.quantize.graphs import Sketch, doubled

Build = Callable[[Sketch, str], str]


def found(model: onnx.ModelProto) -> list[Finding]:
    return tensorrt.check(View(model), load_target("jetson").releases)


def good(s: Sketch, x: str) -> str:
    x = s.op("LeakyRelu", tensorrt_layer(s, x), alpha=0.1)
    x = s.op("InstanceNormalization", x, s.noise(4), s.noise(4))
    x = doubled(s, s.op("Pad", x, s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"))
    return s.op("Add", tensorrt_layer(s, x), x)


def test_a_model_that_keeps_the_rules_has_no_known_blocker() -> None:
    assert found(of(good)) == []
    verdict = tensorrt.verdict([], load_target("jetson").releases)
    assert verdict.startswith("no known blocker for TensorRT (JetPack 6, JetPack 7)")
    assert "will run" not in verdict


def test_there_are_eleven_rules_and_a_case_breaks_each() -> None:
    assert [rule.split()[0] for rule in tensorrt.RULES] == [str(n) for n in range(1, 12)]
    elsewhere = {"1 explicit Q/DQ", "5 opset", "11 half precision"}
    broken = {rule for rule, _, _ in CASES} | elsewhere
    assert broken == set(tensorrt.RULES)


def _resize(**attributes: Any) -> Build:
    return lambda s, x: s.op("Resize", x, "", s.keep([1, 1, 2, 2]), **attributes)


def _norm(s: Sketch, x: str) -> str:
    gain = s.op("ReduceMean", x, axes=[0, 2, 3], keepdims=0)
    return s.op("InstanceNormalization", x, gain, s.noise(4))


def _computed_weight(s: Sketch, x: str) -> str:
    scale = s.op("ReduceMean", x, axes=[1, 2, 3], keepdims=1)
    return s.op("Conv", x, s.op("Mul", s.noise(4, 4, 3, 3), scale), pads=[1] * 4)


def _quantized_bias(s: Sketch, x: str) -> str:
    bias = stored(s, 4, kind="s32")
    return s.op("Conv", rounded(s, x), stored(s, 4, 4, 3, 3), bias, pads=[1] * 4)


def _relu_behind(s: Sketch, x: str) -> str:
    return s.op("Relu", rounded(s, tensorrt_layer(s, x)))


def _half_branch(s: Sketch, x: str) -> str:
    return s.op("Add", rounded(s, x), tensorrt_layer(s, x))


def _large(s: Sketch, x: str) -> str:
    flat = s.op("Reshape", x, s.ints(1, -1))
    rest = s.op("Slice", flat, s.ints(-(2**40)), s.ints(2**62), s.ints(1))
    return s.op("Reshape", rest, s.ints(1, 4, 8, 8))


def _double(s: Sketch, x: str) -> str:
    wide = s.op("Cast", x, to=TensorProto.DOUBLE)
    return s.op("Cast", s.op("Abs", wide), to=TensorProto.FLOAT)


CASES: list[tuple[str, Build, str]] = [
    ("2 symmetric", lambda s, x: rounded(s, x, "u8", 128), "uint8, not int8"),
    ("2 symmetric", lambda s, x: rounded(s, x, zero=3), "zero point is not 0"),
    ("2 symmetric", lambda s, x: rounded(s, x, scale=0.0), "scale is not above 0"),
    ("2 symmetric", lambda s, x: rounded(s, x, scale=np.inf), "scale is not above 0"),
    ("2 symmetric", lambda s, x: rounded(s, x, scale=[0.1] * 4), "one per channel"),
    ("2 symmetric", lambda s, x: tensorrt_layer(s, x, axis=1), "lie along axis 1, Conv wants 0"),
    ("3 weights stored", _computed_weight, "its weight is computed"),
    ("3 weights stored", _quantized_bias, "its bias is quantized"),
    ("4 placement", _relu_behind, "stand between it and the Relu"),
    ("4 placement", _half_branch, "one of its two branches"),
    (
        "4 placement",
        lambda s, x: s.op("Conv", x, stored(s, 4, 4, 1, 1)),
        "its weight is 8-bit and what it reads is not",
    ),
    (
        "4 placement",
        lambda s, x: s.op("Conv", rounded(s, x), s.noise(4, 4, 1, 1)),
        "what it reads is 8-bit and its weight is not",
    ),
    ("6 norms", _norm, "its scale or bias is computed"),
    (
        "6 norms",
        lambda s, x: s.op("InstanceNormalization", rounded(s, x), s.noise(4), s.noise(4)),
        "it reads 8-bit values",
    ),
    ("7 resize", _resize(coordinate_transformation_mode="tf_crop_and_resize"), "its coordinates"),
    ("8 pad", lambda s, x: _pad(s, x, "reflect", rounded), "it reflects 8-bit values"),
    ("9 operators", lambda s, x: s.op("MaxPool", x, kernel_shape=[1, 1], output="p"), "indices"),
    ("9 operators", _large, "does not fit 32 bits"),
    ("9 operators", _double, "it computes in float64"),
    ("10 static", lambda s, x: s.op("Clip", x, "", s.keep(1.0)), "input 1 has no name"),
]


def _pad(s: Sketch, x: str, mode: str, around: Callable[[Sketch, str], str]) -> str:
    return around(s, s.op("Pad", around(s, x), s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode=mode))


@pytest.mark.parametrize(("rule", "build", "words"), CASES)
def test_a_broken_rule_names_node_problem_and_fix(rule: str, build: Build, words: str) -> None:
    s, x = sketch()
    model = finished(s, build(s, x))
    if words == "indices":
        model = _with_indices(model)
    findings = [one for one in found(model) if one.rule == rule]
    assert any(words in one.problem for one in findings), [one.text for one in found(model)]
    names = {node.name for node in model.graph.node}
    for one in findings:
        assert one.node in names
        assert one.fix
        assert f"{one.node} ({one.operator}): " in one.text
    assert rule in tensorrt.verdict(findings)


def _with_indices(model: onnx.ModelProto) -> onnx.ModelProto:
    node = next(node for node in model.graph.node if node.op_type == "MaxPool")
    node.output.append("where")
    return model


def test_integer_operators_are_refused() -> None:
    model = unchecked(lambda s, x: s.op("QLinearSigmoid", x))
    model.graph.node[0].domain = "com.microsoft"
    assert "1 explicit Q/DQ" in {one.rule for one in found(model)}


def test_an_operator_that_it_lacks() -> None:
    model = unchecked(lambda s, x: s.op("NonZero", x), TensorProto.INT64)
    assert any("no such operator" in one.problem for one in found(model))
    strange = unchecked(lambda s, x: s.op("Magic", x))
    strange.graph.node[0].domain = "com.microsoft"
    assert any("of the domain com.microsoft" in one.problem for one in found(strange))


def test_open_sizes() -> None:
    s = Sketch()
    model = finished(s, s.op("Relu", s.input("x", "n", 4, 8, 8)))
    assert {one.rule for one in found(model)} == {"10 static"}
    assert found(model)[0].node == "x"


@pytest.mark.parametrize(("opset", "releases"), [(17, 0), (20, 0), (21, 1), (22, 1)])
def test_the_newest_opset_is_that_of_the_oldest_release(opset: int, releases: int) -> None:
    s = Sketch(opset=opset)
    model = finished(s, s.op("Relu", s.input("x", 1, 4, 8, 8)))
    findings = found(model)
    assert len(findings) == releases
    assert all("JetPack 6 reads opset 9 to 20" in one.problem for one in findings)


def test_the_version_of_the_file_format() -> None:
    model = of(good)
    model.ir_version = 11
    assert {one.rule for one in found(model)} == {"5 opset"}


def _half(build: Build) -> onnx.ModelProto:
    def whole(s: Sketch, x: str) -> str:
        small = s.op("Cast", x, to=TensorProto.FLOAT16)
        return s.op("Cast", build(s, small), to=TensorProto.FLOAT)

    return of(whole)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda s, x: s.op("ReduceMean", x, axes=[2, 3]), "computes in half precision"),
        (lambda s, x: s.op("Softmax", x, axis=1), "computes in half precision"),
        (lambda s, x: s.op("Sqrt", s.op("Abs", x)), "computes in half precision"),
        (lambda s, x: x, "cast back at once"),
        (lambda s, x: s.op("Mul", x, s.keep(np.inf, kind=np.float16)), "does not fit"),
        (
            lambda s, x: s.op("Conv", x, s.keep(np.zeros((4, 4, 1, 1)), kind=np.float16)),
            "0 everywhere",
        ),
    ],
)
def test_half_precision(build: Build, words: str) -> None:
    findings = found(_half(build))
    assert {one.rule for one in findings} == {"11 half precision"}
    assert any(words in one.problem for one in findings)
    assert found(_half(lambda s, x: s.op("Relu", x))) == []


def test_an_output_must_not_stay_8_bit() -> None:
    s, x = sketch()
    s.op("QuantizeLinear", x, s.keep(0.1), s.keep(0, kind=np.int8), output="y")
    value = helper.make_tensor_value_info("y", TensorProto.INT8, None)
    graph = helper.make_graph(s.nodes, "g", s.inputs, [value], s.stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert [one.problem for one in found(model)] == ["its result is an output"]
