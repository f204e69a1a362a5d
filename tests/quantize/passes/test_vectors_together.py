"""What is done to many vectors alike is done at once."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.passes import ModulatedWeights, VectorsTogether
from tests.quantize.graphs import (
    Sketch,
    assert_settled,
    assert_untouched,
    count,
    rewritten,
)

Follow = Callable[[Sketch, str, int], str]


def _gemms(
    sizes: list[int],
    follow: Follow,
    opset: int = 17,
    bias: tuple[int, ...] = (1, 1, 1),
    rows: int = 0,
) -> onnx.ModelProto:
    """Several Gemms of one vector, and what follows each of them."""
    s = Sketch(opset=opset)
    x = s.op("Tanh", s.input("x", 1, 5))
    for index, size in enumerate(sizes):
        shape = (size, 5) if rows else (5, size)
        more = [s.noise(size)] if bias[index % len(bias)] else []
        made = s.op("Gemm", x, s.noise(*shape), *more, transB=rows)
        s.op("Identity", follow(s, made, size), output=f"y{index}")
    return s.model(*(f"y{index}" for index in range(len(sizes))))


def _unsqueeze(s: Sketch, x: str, size: int) -> str:
    if s.opset < 13:
        return s.op("Unsqueeze", x, axes=[2, 3])
    return s.op("Unsqueeze", x, s.ints(2, 3))


FOLLOWERS: dict[str, Follow] = {
    "nothing": lambda s, x, size: x,
    "Tanh": lambda s, x, size: s.op("Tanh", x),
    "square": lambda s, x, size: s.op("Mul", x, x),
    "number": lambda s, x, size: s.op("Sub", s.keep(2.0), x),
    "Unsqueeze": _unsqueeze,
    "column": lambda s, x, size: s.op("Reshape", x, s.ints(size, 1, 1, 1)),
    "several": lambda s, x, size: s.op("Abs", _unsqueeze(s, s.op("Exp", s.op("Mul", x, x)), size)),
}
GONE = {
    "nothing": "", "Tanh": "Tanh", "square": "Mul", "number": "Sub", "Unsqueeze": "Unsqueeze",
    "column": "Reshape", "several": "Exp",
}  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=5),
    st.sampled_from(sorted(FOLLOWERS)),
    st.sampled_from([11, 17]),
    st.tuples(*[st.integers(0, 1)] * 3),
    st.integers(0, 1),
)
def test_gemms_and_what_follows(
    sizes: list[int], follow: str, opset: int, bias: tuple[int, ...], rows: int
) -> None:
    found = rewritten(_gemms(sizes, FOLLOWERS[follow], opset, bias, rows), VectorsTogether())
    assert found.steps[0].changed
    assert found.difference <= 1e-5
    assert count(found.model, "Gemm") == 1
    assert count(found.model, "Split") == 1
    if GONE[follow]:
        # One node but for Tanh, of which one makes the vector itself.
        assert count(found.model, GONE[follow]) == 1 + (follow == "Tanh")
    assert_settled(found.model, VectorsTogether())


def test_two_kinds_of_readers() -> None:
    def follow(s: Sketch, x: str, size: int) -> str:
        return s.op("Concat", s.op("Mul", x, x), s.op("Neg", x), axis=1)

    model = rewritten(_gemms([2, 3, 4], follow), VectorsTogether()).model
    assert [count(model, kind) for kind in ("Gemm", "Mul", "Neg", "Concat")] == [1, 1, 1, 3]


def test_readers_that_differ_stay() -> None:
    numbers = iter([1.0, 2.0, 1.0])

    def follow(s: Sketch, x: str, size: int) -> str:
        return s.op("Mul", x, s.keep(next(numbers)))

    model = rewritten(_gemms([2, 3, 4], follow), VectorsTogether()).model
    assert [count(model, kind) for kind in ("Gemm", "Mul")] == [1, 3]


def test_roots_of_vectors_that_come_from_all_over() -> None:
    s = Sketch()
    for index in range(4):
        x = s.op("Exp", s.input(f"x{index}", 1, index + 2))
        root = s.op("Div", s.keep(1.0), s.op("Sqrt", x))
        s.op("Identity", root, output=f"y{index}")
    found = rewritten(s.model(*(f"y{index}" for index in range(4))), VectorsTogether())
    kinds = ("Concat", "Sqrt", "Div", "Split")
    assert [count(found.model, kind) for kind in kinds] == [1, 1, 1, 1]
    assert_settled(found.model, VectorsTogether())


def test_roots_of_roots_are_left_alone() -> None:
    s = Sketch()
    x = s.op("Exp", s.input("x", 1, 3))
    for _ in range(4):
        x = s.op("Sqrt", x)
    s.op("Identity", x, output="y")
    assert_untouched(s.model("y"), VectorsTogether())


def _pictures() -> onnx.ModelProto:
    s = Sketch()
    for index in range(3):
        x = s.op("Exp", s.input(f"x{index}", 1, 3, 4, 4))
        s.op("Identity", s.op("Sqrt", x), output=f"y{index}")
    return s.model("y0", "y1", "y2")


def _batch() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 2, 5)
    for index in range(3):
        s.op("Identity", s.op("Gemm", x, s.noise(5, 4)), output=f"y{index}")
    return s.model("y0", "y1", "y2")


@pytest.mark.parametrize(
    "model",
    [_gemms([2, 3], FOLLOWERS["Tanh"]), _pictures(), _batch()],
    ids=["two", "pictures", "a batch"],
)
def test_left_alone(model: onnx.ModelProto) -> None:
    assert_untouched(model, VectorsTogether())


def test_large_gemms_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantize.passes.vectors_together._MOST_WEIGHTS", 9)
    assert_untouched(_gemms([2, 3, 4], FOLLOWERS["nothing"]), VectorsTogether())


def test_a_scaled_gemm_is_left_alone() -> None:
    s = Sketch()
    x = s.input("x", 1, 5)
    for index in range(3):
        made = s.op("Gemm", x, s.noise(5, 4), alpha=0.5)
        s.op("Identity", made, output=f"y{index}")
    assert_untouched(s.model("y0", "y1", "y2"), VectorsTogether())


def test_modulated_convolutions_share_their_factors() -> None:
    s = Sketch()
    x, source = s.input("x", 1, 4, 8, 8), s.op("Relu", s.input("source", 1, 6))
    for _ in range(3):
        weight = s.rng.standard_normal((4, 4))
        scale = s.op("Gemm", source, s.noise(6, 4), s.noise(4))
        energy = s.op("Gemm", s.op("Mul", scale, scale), s.keep(weight.T**2), s.keep([1e-8] * 4))
        norm = s.op("Div", s.keep(1.0), s.op("Sqrt", energy))
        x = s.op("Mul", x, _unsqueeze(s, scale, 4))
        x = s.op("Conv", x, s.keep(weight.reshape(4, 4, 1, 1)))
        x = s.op("Tanh", s.op("Mul", x, _unsqueeze(s, norm, 4)))
    s.op("Identity", x, output="y")
    found = rewritten(s.model("y"), ModulatedWeights(), VectorsTogether())
    assert found.difference <= 1e-5
    once = ("Sqrt", "Div", "Reshape", "Concat")
    assert [count(found.model, kind) for kind in once] == [1, 1, 1, 1]
    assert count(found.model, "Unsqueeze") == 2  # of all factors before, and of all behind
    assert count(found.model, "Gemm") == 1 + 3
    assert count(found.model, "Mul") == 1 + 2 * 3
