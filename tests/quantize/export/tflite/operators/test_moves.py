from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()

PICTURE = (1, 3, 6, 8)


def _shaped(shape: tuple[int, ...], *steps: tuple[str, Any]) -> Any:
    """Return a model of reshapes and transpositions, with a number added in between each."""
    s = Sketch()
    x = s.input("x", *shape)
    for index, (kind, given_) in enumerate(steps):
        output = "y" if index == len(steps) - 1 else ""
        if kind == "Transpose":
            x = s.op(kind, x, output=output, perm=given_)
        elif kind == "Flatten":
            x = s.op(kind, x, output=output, axis=given_)
        else:
            x = s.op(kind, x, s.ints(*given_), output=output)
    return s.model("y")


@pytest.mark.parametrize(
    ("steps", "turns"),
    [
        ([("Reshape", (1, 3, 48)), ("Transpose", (0, 2, 1))], 0),  # a detector's heads
        ([("Transpose", (0, 2, 3, 1)), ("Reshape", (1, 48, 3))], 0),
        ([("Flatten", 1)], 1),
        ([("Unsqueeze", (0,)), ("Squeeze", (0, 1))], 1),  # (3, 6, 8) comes out as it is
        ([("Reshape", (1, 1, 3, 6, 8)), ("Reshape", (1, 3, 6, 8))], 0),
        ([("Reshape", (1, 3, 3, 2, 4, 2)), ("Transpose", (0, 1, 3, 5, 2, 4))], 1),
        ([("Transpose", (0, 3, 2, 1)), ("Transpose", (0, 3, 2, 1))], 0),
    ],
)
def test_only_what_has_to_move_moves(steps: list[tuple[str, Any]], turns: int) -> None:
    assert written(_shaped(PICTURE, *steps))["TRANSPOSE"] == turns


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chain_of_reshapes_and_transpositions(data: st.DataObject) -> None:
    shape = [2, 3, 4, 6]
    steps: list[tuple[str, Any]] = []
    for _ in range(data.draw(st.integers(1, 3))):
        turn = data.draw(st.permutations(range(len(shape))))
        shape = [shape[axis] for axis in turn]
        merged = data.draw(st.integers(0, len(shape) - 2)) if len(shape) > 1 else None
        steps.append(("Transpose", turn))
        if merged is not None:
            shape[merged : merged + 2] = [shape[merged] * shape[merged + 1]]
            steps.append(("Reshape", tuple(shape)))
    written(_shaped((2, 3, 4, 6), *steps))


INT = st.integers(-9, 9)


@settings(max_examples=25, deadline=None)
@given(axis=st.integers(0, 2), start=INT, end=INT, step=st.sampled_from([-2, -1, 1, 2, 3]))
def test_slices(axis: int, start: int, end: int, step: int) -> None:
    s = Sketch()
    x = s.input("x", 5, 6, 7)
    if not len(range(*slice(start, end, step).indices((5, 6, 7)[axis]))):
        return
    s.op("Slice", x, s.ints(start), s.ints(end), s.ints(axis), s.ints(step), output="y")
    made = written(s.model("y"))
    assert made["SLICE" if step == 1 else "STRIDED_SLICE"] == 1


@pytest.mark.parametrize(
    ("places", "why"), [((), "takes nothing"), ((0, 3), "beyond the 3"), ((-4,), "beyond the 3")]
)
def test_places_that_there_are_not_are_refused(places: tuple[int, ...], why: str) -> None:
    s = Sketch()
    x = s.input("x", 2, 3)
    # Joined to x, so that what comes out is not empty.
    s.op("Concat", s.op("Gather", x, s.ints(*places), axis=1), x, axis=1, output="y")
    with pytest.raises(TFLiteError, match=rf"\(Gather\).*{why}"):
        to_tflite(s.model("y"))


@pytest.mark.parametrize(("start", "end"), [(-6, -(2**63) + 1), (-9, -9), (9, -9)])
def test_slices_backwards_from_outside(start: int, end: int) -> None:
    s = Sketch()
    bounds = [s.ints(start), s.ints(end), s.ints(1), s.ints(-1)]
    s.op("Slice", s.input("x", 6, 5, 4), *bounds, output="y")
    assert written(s.model("y")) == {"STRIDED_SLICE": 1}


@pytest.mark.parametrize("ends", [(1 << 62, -(1 << 62))])
def test_slices_to_the_very_end(ends: tuple[int, int]) -> None:
    s = Sketch()
    bounds = [s.ints(1, -1), s.ints(*ends), s.ints(2, 3), s.ints(1, -1)]
    s.op("Slice", s.input("x", *PICTURE), *bounds, output="y")
    written(s.model("y"))


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_concat(axis: int, count: int) -> None:
    s = Sketch()
    inputs = [s.input(f"x{index}", *PICTURE) for index in range(count)]
    last = s.op("Concat", *inputs, axis=axis)
    s.op("Relu", last, output="y")
    made = written(s.model("y"))
    assert made["CONCATENATION"] == (count > 1)


def test_concat_with_a_constant() -> None:
    s = Sketch()
    s.op("Concat", s.input("x", *PICTURE), s.noise(*PICTURE), output="y", axis=2)
    assert not written(s.model("y"))["TRANSPOSE"]


@pytest.mark.parametrize(
    ("sizes", "kind"), [((3, 3), "SPLIT"), ((1, 2, 3), "SLICE"), ((1,) * 6, "SLICE")]
)
@pytest.mark.parametrize("axis", [1, 2])
def test_split(sizes: tuple[int, ...], kind: str, axis: int) -> None:
    s = Sketch()
    shape = [1, 5, 5, 5]
    shape[axis] = 6
    parts = s.split(s.input("x", *shape), *sizes, axis=axis)
    made = written(s.model(*parts))
    assert made[kind] == (1 if kind == "SPLIT" else len(sizes))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    s = Sketch()
    s.op("DepthToSpace", s.conv(s.input("x", *PICTURE), 3, 12), output="y", blocksize=2, mode=mode)
    made = written(s.model("y"))
    assert (made["DEPTH_TO_SPACE"], made["TRANSPOSE"]) == (1, 0)


def test_space_to_depth() -> None:
    s = Sketch()
    s.op("SpaceToDepth", s.input("x", *PICTURE), output="y", blocksize=2)
    written(s.model("y"))


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize(
    ("places", "kind"), [([2, 0, 1], "GATHER"), ([1, 2], "SLICE"), (-1, "SLICE"), ([-1], "SLICE")]
)
def test_gather(places: Any, kind: str, axis: int) -> None:
    s = Sketch()
    rows = s.keep(places, kind="int64")
    s.op("Gather", s.input("x", *PICTURE), rows, output="y", axis=axis)
    assert written(s.model("y"))[kind] == 1


def test_gather_of_a_table_is_refused() -> None:
    s = Sketch()
    s.op("Gather", s.input("x", *PICTURE), s.keep([[0, 1]], kind="int64"), output="y", axis=1)
    with pytest.raises(TFLiteError, match=r"'Gather_y' \(Gather\).*more than one axis"):
        to_tflite(s.model("y"))


def test_gather_of_computed_places_is_refused() -> None:
    s = Sketch()
    x = s.input("x", 4)
    s.op("Gather", x, s.op("Cast", x, to=7), output="y")
    with pytest.raises(TFLiteError, match=r"\((Cast|Gather)\)"):
        to_tflite(s.model("y"))


@pytest.mark.parametrize(
    ("shape", "wanted"), [((1, 3, 1, 1), (1, 3, 6, 8)), ((8,), (1, 3, 6, 8)), (PICTURE, PICTURE)]
)
def test_expand(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    s = Sketch()
    s.op("Relu", s.op("Expand", s.input("x", *shape), s.ints(*wanted)), output="y")
    assert written(s.model("y"))["BROADCAST_TO"] == (shape != wanted)


def test_tile() -> None:
    s = Sketch()
    s.op("Tile", s.input("x", *PICTURE), s.ints(1, 1, 2, 3), output="y")
    written(s.model("y"))
