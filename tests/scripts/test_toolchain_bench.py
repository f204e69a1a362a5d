"""What bars are measured with: conversions in a process of their own, differences, norms."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper

from quantize.samples import samples_of
from scripts.toolchain_bench import (
    Speed,
    _run,
    code_digest,
    in_double,
    largest_difference,
    with_fixed_source,
)
from scripts.toolchain_rows import half_norms


def test_difference_is_of_outputs_that_both_give() -> None:
    first = [{"a": np.zeros(3), "b": np.ones(1)}, {"a": np.zeros(3)}]
    second = [{"a": np.array([0, 0.1, 0])}, {"a": np.array([-0.3, 0, 0]), "c": np.ones(1) * 9}]
    assert largest_difference(first, second) == pytest.approx(0.3)


def test_source_is_the_same_for_all() -> None:
    feeds = [{"target": np.full(1, i), "source": np.full(2, i)} for i in range(3)]
    fixed = with_fixed_source(samples_of(feeds, "here"), "source", np.full(2, 7, np.float32))
    assert [int(one["target"][0]) for one in fixed.feeds] == [0, 1, 2]
    assert all((one["source"] == 7).all() for one in fixed.feeds)


def test_noise_is_how_far_equals_are_apart() -> None:
    speed = Speed(ratio=1.5, quickest=1.6, itself=0.98, rounds=20, float_ms=3.0)
    assert speed.noise == pytest.approx(0.02)
    assert "by the quickest 1.600x" in str(speed)


def test_a_command_tells_status_memory_and_complaint(tmp_path: Path) -> None:
    script = "import sys; x = bytearray(80_000_000); print('no room', file=sys.stderr); sys.exit(2)"
    status, peak, log = _run([sys.executable, "-c", script], tmp_path)
    assert status == 2
    assert 80e6 < peak < 400e6
    assert log.strip() == "no room"


@pytest.mark.parametrize(("kind", "found"), [(TensorProto.FLOAT, []), (TensorProto.FLOAT16, ["n"])])
def test_norms_in_half_are_found(kind: int, found: list[str]) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], name="n", axes=[2, 3]),
        helper.make_node("Sub", ["x", "m"], ["y"], name="other"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [1, 2, 4, 4])],
        [helper.make_tensor_value_info("y", kind, [1, 2, 4, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    assert half_norms(model) == found


def test_double_keeps_what_float_loses() -> None:
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "big"], ["y"]),
            helper.make_node("Sub", ["y", "big"], ["z"]),
            helper.make_node("Resize", ["z", "", "scales"], ["out"], mode="nearest"),
        ],
        "g",
        [helper.make_tensor_value_info("x", kind, [1, 1, 1, 1])],
        [helper.make_tensor_value_info("out", kind, [1, 1, 2, 2])],
        [
            helper.make_tensor("big", kind, [1], [1e8]),
            helper.make_tensor("scales", kind, [4], [1, 1, 2, 2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    x = np.full((1, 1, 1, 1), 0.25, np.float32)
    assert np.abs(x + np.float32(1e8) - np.float32(1e8)).max() == 0
    np.testing.assert_array_equal(in_double(model, {"x": x})["out"], np.full((1, 1, 2, 2), 0.25))


def test_code_digest_is_steady() -> None:
    assert code_digest() == code_digest()
