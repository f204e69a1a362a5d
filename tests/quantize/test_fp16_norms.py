"""BatchNormalization as a gain and a shift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.engine import Engine
from quantize.fp16_norms import without_batch_norms
from tests.quantize.graphs import Sketch, count
from tests.quantize.half_graphs import interface, prepared, worst_psnr


@pytest.mark.parametrize("name", ["ghost", "mobile"])
def test_families(name: str) -> None:
    model = prepared(name, "exported")
    before = model.SerializeToString(deterministic=True)
    result = without_batch_norms(model)
    assert model.SerializeToString(deterministic=True) == before
    assert count(model, "BatchNormalization") > 0
    assert count(result, "BatchNormalization") == 0
    assert interface(result) == interface(model)
    assert worst_psnr(model, result, samples=1) == 99.0


def test_a_model_without_any_is_itself() -> None:
    model = prepared("inswapper", "standard")
    assert without_batch_norms(model) is model


@settings(max_examples=30, deadline=None)
@given(
    rank=st.integers(2, 5),
    epsilon=st.sampled_from([None, 1e-8, 1e-5, 1e-2]),
    spread=st.sampled_from([0.0, 1e-9, 1e-4, 1.0, 1e3]),
    at_the_end=st.booleans(),
)
def test_any_norm(rank: int, epsilon: float | None, spread: float, at_the_end: bool) -> None:
    s = Sketch()
    x = s.input("x", 1, 4, *[3] * (rank - 2))
    parts = [s.noise(4, shift=1), s.noise(4), s.noise(4), s.keep(np.full(4, spread))]
    attrs = {} if epsilon is None else {"epsilon": epsilon}
    end = "output" if at_the_end else ""
    y = s.op("BatchNormalization", x, *parts, output=end, **attrs)
    if not at_the_end:
        s.op("Neg", y, output="output")
    model = s.model("output")
    result = without_batch_norms(model)
    assert [node.op_type for node in result.graph.node][:2] == ["Mul", "Add"]
    feeds = {"x": s.rng.standard_normal((1, 4, *[3] * (rank - 2))).astype(np.float32)}
    wanted, given = Engine(model).run(feeds)["output"], Engine(result).run(feeds)["output"]
    assert np.abs(wanted - given).max() <= 2e-5 * max(1.0, float(np.abs(wanted).max()))


def test_what_is_left_alone() -> None:
    s = Sketch()
    x, mean = s.input("x", 1, 4, 3, 3), s.input("mean", 4)
    parts = [s.noise(4), s.noise(4), mean, s.keep(np.ones(4))]
    s.op("BatchNormalization", x, *parts, output="output")
    assert count(without_batch_norms(s.model("output")), "BatchNormalization") == 1
