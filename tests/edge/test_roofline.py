from __future__ import annotations

from pathlib import Path

import pytest

from edge.cards import find_card
from edge.errors import BackendError
from edge.roofline import Roof, raise_roof
from edge.shelf import INSTALLED
from edge.swapmodel import SwapModel, open_swap_model
from edge.timing import Timing
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def model(edge_home: Path) -> SwapModel:
    tiny.install(edge_home)
    return open_swap_model("tiny_swapper")


def _timing(quickest: float) -> Timing:
    return Timing("x", 1, quickest, quickest, quickest, quickest)


def test_the_share_of_the_peak(model: SwapModel) -> None:
    roof = raise_roof([model], INSTALLED, [1, 1])
    assert list(roof.stages()) == ["float32 1", "int8 1"]
    for run in roof.stages().values():
        run()
    roof = roof.reached([_timing(10.0), _timing(2.0)])
    assert roof.peaks["int8", 1] == pytest.approx(5 * roof.peaks["float32", 1])
    assert roof.peak("int8", 1) == roof.peaks["int8", 1]
    assert roof.peak("w8", 1) == roof.peak("fp32", 1) == roof.peaks["float32", 1]
    assert roof.peak("fp32", 2) is None
    assert roof.gops(_timing(1.0)) == pytest.approx(2 * roof.multiply_adds / 1e6)


def test_what_cannot_be_counted_is_not_guessed(
    model: SwapModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.backends import _roofline

    def refuse(*_: object) -> int:
        raise BackendError("no")

    monkeypatch.setattr(_roofline, "multiply_adds", refuse)
    roof = raise_roof([model], INSTALLED, [1])
    assert (roof.multiply_adds, roof.stages(), roof.gops(_timing(1.0))) == (0, {}, None)
    assert raise_roof([], INSTALLED, [1]).multiply_adds == 0


def test_the_reference_swapper_is_what_its_evaluation_says() -> None:
    find_card("ref_swapper", "swapper")
    roof = raise_roof([open_swap_model("ref_swapper")], INSTALLED, [])
    assert roof.multiply_adds == pytest.approx(0.48e9, rel=0.01)
    assert Roof(0).peak("fp32", 1) is None
