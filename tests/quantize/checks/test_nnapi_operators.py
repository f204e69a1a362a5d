"""What NNAPI's provider takes: our table against ONNX Runtime's, and its conditions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from quantize.checks.nnapi_operators import FIRST_API, LAST_API, OPERATORS
from quantize.checks.view import View
from tests.quantize.checks.models import of
from tests.quantize.graphs import Sketch

Build = Callable[[Sketch, str], str]


def listed() -> set[str]:
    folder = Path(onnxruntime.__file__).parent / "tools/mobile_helpers"
    lines = (folder / "nnapi_supported_ops.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("|ai.onnx:")]
    return {row.removeprefix("ai.onnx:") for row in rows}


def test_the_table_is_that_of_onnx_runtime() -> None:
    assert set(OPERATORS) == {name for name in listed() if not name.startswith("QLinear")}


def trouble(build: Build, operator: str) -> str:
    view = View(of(build))
    node = next(node for node in view.nodes if node.op_type == operator)
    known = OPERATORS[operator]
    assert FIRST_API <= known.level(view, node) <= LAST_API
    return known.trouble(view, node)


@pytest.mark.parametrize(
    ("operator", "build", "words"),
    [
        ("Conv", lambda s, x: s.conv(x, 4, 4, group=2), ""),
        (
            "Conv",
            lambda s, x: s.conv(x, 4, 4, group=2, dilations=[2, 2], pads=[2] * 4),
            "no dilations",
        ),
        ("Max", lambda s, x: s.op("Max", x, s.keep(0.0)), ""),
        ("Max", lambda s, x: s.op("Max", x, s.keep(0.0), s.keep(1.0)), "other than two inputs"),
        ("Slice", lambda s, x: s.op("Slice", x, s.ints(1), s.ints(3), s.ints(1)), ""),
        ("Split", lambda s, x: s.split(x, 2, 2)[0], ""),
        ("Split", lambda s, x: s.split(x, 1, 3)[0], "not equal"),
        (
            "Resize",
            lambda s, x: s.op("Resize", x, "", s.keep([1, 1, 2, 2]), mode="nearest"),
            "asymmetric",
        ),
        ("Resize", lambda s, x: s.op("Resize", x, "", s.keep([1, 1, 2, 2]), mode="cubic"), "cubic"),
        (
            "Resize",
            lambda s, x: s.op("Resize", x, "", s.keep([1, 1, 0.4, 0.4]), mode="linear"),
            "no whole factor",
        ),
        ("MaxPool", lambda s, x: s.op("MaxPool", x, kernel_shape=[2, 2], ceil_mode=1), "rounds"),
        ("Pad", lambda s, x: s.op("Pad", x, s.ints(0, 0, -1, 0, 0, 0, 0, 0)), "cuts off"),
        (
            "Transpose",
            lambda s, x: s.op("Reshape", _five(s, x), s.ints(1, 4, 8, 8)),
            "it has 5 axes",
        ),
        ("Gemm", lambda s, x: _gemm(s, x, alpha=2.0), "without factors"),
        ("Gemm", lambda s, x: _gemm(s, x), ""),
    ],
)
def test_conditions(operator: str, build: Build, words: str) -> None:
    said = trouble(build, operator)
    assert (words in said) if words else said == ""


def _five(s: Sketch, x: str) -> str:
    return s.op("Transpose", s.op("Reshape", x, s.ints(1, 2, 2, 8, 8)), perm=[0, 2, 1, 3, 4])


def _gemm(s: Sketch, x: str, **attributes: Any) -> str:
    flat = s.op("Reshape", x, s.ints(1, 256))
    made = s.op("Gemm", flat, s.noise(256, 256), s.noise(256), **attributes)
    return s.op("Reshape", made, s.ints(1, 4, 8, 8))
