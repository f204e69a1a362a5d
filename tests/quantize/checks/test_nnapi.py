"""NNAPI: one partition or none, what is in the way, and ONNX Runtime's own opinion."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto

from quantize.checks import nnapi
from quantize.checks.finding import Finding
from quantize.checks.nnapi_partitions import partitions
from quantize.checks.view import View
from tests.quantize.checks.models import layer, of, rounded, stored
from tests.quantize.graphs import Sketch, doubled

Build = Callable[[Sketch, str], str]


def found(model: onnx.ModelProto) -> list[Finding]:
    return nnapi.check(View(model))


def good(s: Sketch, x: str) -> str:
    x = s.op("Relu", layer(s, s.op("Sigmoid", s.conv(x, 4, 4)), kind="u8"))
    return doubled(s, s.op("Add", x, s.keep(1.0)))


def test_a_model_in_one_piece() -> None:
    view = View(of(good))
    findings = nnapi.check(view)
    assert findings == []
    assert "one partition with all" in nnapi.verdict(findings, view)
    assert "from API level 30 to 34" in nnapi.verdict(findings, view)
    assert nnapi.api_level(view) == 30  # half_pixel
    assert nnapi.api_level(View(of(lambda s, x: s.op("Relu", x)))) == 27


CASES: list[tuple[str, Build, str, str]] = [
    ("operator", lambda s, x: s.op("Reciprocal", x), "no such operator", "reciprocal_to_div"),
    (
        "operator",
        lambda s, x: s.op("InstanceNormalization", x, s.noise(4), s.noise(4)),
        "no such operator",
        "unfuse_instance_norm",
    ),
    (
        "operator",
        lambda s, x: s.op("ConvTranspose", x, s.noise(4, 4, 2, 2)),
        "no such operator",
        "convtranspose",
    ),
    (
        "operator",
        lambda s, x: s.op("Pad", x, s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge"),
        "its mode is edge",
        "edge_pad",
    ),
    (
        "operator",
        lambda s, x: s.op("DepthToSpace", x, blocksize=2, mode="CRD"),
        "its order is CRD",
        "depth_to_space_dcr",
    ),
    ("float32", lambda s, x: _halved(s, x), "it reads float16", "USE_FP16"),
    ("8-bit form", lambda s, x: layer(s, x, kind="s8"), "activations are not uint8", "quantize"),
    (
        "8-bit form",
        lambda s, x: rounded(s, x, "s8"),
        "it turns int8 into float",
        'activations = "u8"',
    ),
    (
        "8-bit form",
        lambda s, x: s.op("Add", layer(s, x, kind="u8"), stored(s, 4, 8, 8)),
        "it turns int8 into float",
        'gemm_weights and float_weights = "float"',
    ),
    (  # w8, for which there is no recipe
        "8-bit form",
        lambda s, x: s.op("Conv", x, stored(s, 4, 4, 3, 3), pads=[1] * 4),
        "it turns int8 into float",
        "take --precision int8 or fp16",
    ),
    ("8-bit form", lambda s, x: layer(s, x, kind="u8", zero=1), "the zero point 0", "quantize"),
    ("8-bit form", lambda s, x: layer(s, x, kind="u8", axis=1), "along another axis", "quantize"),
    (
        "8-bit operation",
        lambda s, x: layer(s, s.op("LeakyRelu", layer(s, x, kind="u8")), kind="u8"),
        "no such operation in 8 bits",
        "leaky_relu_max",
    ),
    (
        "operator",
        lambda s, x: s.op("Conv", x, stored(s, 4, 4, 1, 1)),
        "its weight is not stored as float",
        "",
    ),
]


def _halved(s: Sketch, x: str) -> str:
    small = s.op("Relu", s.op("Cast", x, to=TensorProto.FLOAT16))
    return s.op("Cast", small, to=TensorProto.FLOAT)


@pytest.mark.parametrize(("rule", "build", "words", "fix"), CASES)
def test_what_is_in_the_way_is_named(rule: str, build: Build, words: str, fix: str) -> None:
    view = View(of(build))
    findings = nnapi.check(view)
    hits = [one for one in findings if one.rule == rule]
    assert any(words in one.problem for one in hits), [one.text for one in findings]
    assert any(fix in one.fix for one in hits)
    last = findings[-1]
    assert last.rule == "one partition"
    named = {node.name for node in view.nodes}
    assert all(one.node in named for one in findings[:-1])
    assert "NNAPI is refused" in nnapi.verdict(findings, view)


def test_pieces_are_counted_as_onnx_runtime_counts_them() -> None:
    def build(s: Sketch, x: str) -> str:
        for kind in ("Relu", "Reciprocal", "Relu", "Relu", "Reciprocal", "Relu"):
            x = s.op(kind, x)
        return x

    model = of(build)
    findings = found(model)
    assert "in 3 pieces; in the way: Reciprocal_v1, Reciprocal_v4" in findings[-1].problem
    view = View(model)
    broken = {id(node) for node in view.nodes if node.op_type == "Reciprocal"}
    assert [len(piece) for piece in partitions(view, broken)] == [1, 2, 2]


def test_the_second_opinion_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nnapi, "second_opinion", lambda view: "it finds 2 pieces")
    findings = found(of(good))
    assert [one.rule for one in findings] == ["second opinion"]


def test_open_sizes() -> None:
    s = Sketch()
    x = s.conv(s.input("x", 1, 4, "h", 8), 4, 4)
    s.op("Tanh", x, output="y")
    assert {one.rule for one in found(s.model("y"))} == {"static shape", "one partition"}


def test_a_long_list_is_cut() -> None:
    def build(s: Sketch, x: str) -> str:
        for _ in range(8):
            x = s.op("Reciprocal", x)
        return x

    assert found(of(build))[-1].problem.endswith("and 3 more")
