from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()


def _pad(mode: str, pads: tuple[int, ...], value: float | None = None) -> Sketch:
    s = Sketch()
    inputs = [s.input("x", 1, 3, 5, 6), s.ints(0, 0, *pads[:2], 0, 0, *pads[2:])]
    s.op("Pad", *inputs, *([] if value is None else [s.keep(value)]), output="y", mode=mode)
    return s


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@settings(max_examples=8, deadline=None)
@given(st.tuples(*[st.integers(0, 4)] * 4))
def test_any_pads(mode: str, pads: tuple[int, ...]) -> None:
    assert not written(_pad(mode, pads).model("y"))["TRANSPOSE"]


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_negative_pads_cut_off(mode: str) -> None:
    assert written(_pad(mode, (-1, 2, 0, -2)).model("y"))["SLICE"] == 1


@pytest.mark.parametrize(("value", "kind"), [(None, "PAD"), (0.0, "PAD"), (0.5, "PADV2")])
def test_pads_with_a_number(value: float | None, kind: str) -> None:
    assert written(_pad("constant", (1, 2, 0, 1), value).model("y"))[kind] == 1


@pytest.mark.parametrize(("mode", "pads", "count"), [("reflect", 3, 1), ("edge", 3, 3)])
def test_mirrors(mode: str, pads: int, count: int) -> None:
    assert written(_pad(mode, (pads,) * 4).model("y")) == {"MIRROR_PAD": count}


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (2, 0, 1, 3)])
def test_a_few_rows_are_taken_by_slices(pads: tuple[int, int, int, int]) -> None:
    made = written(_pad("reflect", pads).model("y"))
    assert made == {"SLICE": sum(pads), "CONCATENATION": 2}


def test_axes_by_name() -> None:
    s = Sketch(opset=18)
    x = s.input("x", 1, 3, 5, 6)
    s.op("Pad", x, s.ints(1, 2, 2, 1), "", s.ints(-1, 2), output="y", mode="reflect")
    written(s.model("y"))


def test_other_modes_are_refused() -> None:
    s = Sketch(opset=19)
    s.op("Pad", s.input("x", 1, 3, 5, 6), s.ints(0, 0, 1, 1, 0, 0, 1, 1), output="y", mode="wrap")
    with pytest.raises(TFLiteError, match=r"'Pad_y' \(Pad\).*'wrap'"):
        to_tflite(s.model("y"))


def test_nothing_to_pad_costs_nothing() -> None:
    s = _pad("constant", (0, 0, 0, 0))
    s.op("Relu", "y", output="z")
    assert written(s.model("z")) == {"RELU": 1}
