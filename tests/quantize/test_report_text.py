"""Figures in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantize.comparison import decibels
from quantize.report_text import (
    NOTHING,
    columns,
    machine_lines,
    made_for,
    measured_with,
    nodes,
    remarks,
    shown_name,
    size_text,
)
from quantize.truth import TruthScores
from tests.quantize.measured import comparison, row


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (72_400, "72 kB"),
        (1_250_000, "1.2 MB"),
        (553_210_000, "553 MB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


def test_decibels_of_equal_pictures_are_a_bound() -> None:
    assert decibels(99.0) == "≥ 99"
    assert decibels(45.04) == "45.0"


def _cells(**changes: object) -> dict[str, str]:
    one = row("a.onnx", **changes)
    return {column.title: column.cell(one) for column in columns(comparison(row("b"), one))}


def test_every_column_has_its_figure() -> None:
    cells = _cells()
    assert cells["Size"] == "1.2 MB"
    assert cells["of float"] == "0.26×"
    assert (cells["p50 ms"], cells["p90 ms"], cells["Speed"]) == ("12.5", "14.0", "1.62×")
    assert cells["Memory"] == "+21.0 MB"
    assert (cells["Worst dB"], cells["Mean dB"]) == ("44.1", "48.2")
    assert (cells["Max error"], cells["Mean error"]) == ("0.0500", "< 0.0001")
    assert cells["Identity"] == "0.9910"
    assert (cells["Truth dB"], cells["vs float"]) == ("27.00", "-0.10")


def test_what_was_not_measured_is_a_dash() -> None:
    cells = _cells(scores=None, truth=None, timing=None, memory_added=None)
    assert {text for title, text in cells.items() if title not in {"Size", "of float"}} == {NOTHING}


def test_a_loss_that_rounds_to_nothing_has_no_minus() -> None:
    assert _cells(truth=TruthScores(27.0, 27.001, None, None, True))["vs float"] == "+0.00"


def test_columns_without_a_figure_are_left_out() -> None:
    plain = row("a.onnx", truth=None)
    assert plain.scores is not None
    plain = replace(plain, scores=replace(plain.scores, identity_cosine=None))
    titles = {column.title for column in columns(comparison(plain))}
    assert titles.isdisjoint({"Identity", "Truth dB", "vs float"})


def test_the_mask_has_a_column_where_there_is_one() -> None:
    plain = row("a.onnx")
    assert plain.scores is not None
    assert "Mask dB" not in _cells()
    assert _cells(scores=replace(plain.scores, mask_psnr=(36.54, 99.0)))["Mask dB"] == "36.5"


def test_untrusted_text_is_printable() -> None:
    bad = row("a\u202e\n.onnx", trouble="it\x1b[31m is\nbroken", target="x\u200f", notes=("n\x07",))
    for text in (shown_name(bad), remarks(bad), made_for(bad)):
        assert text.isprintable()
    assert remarks(bad).startswith("does not run: it")


def test_what_ran_it_and_where() -> None:
    one = row("a.onnx", providers={"CPUExecutionProvider": 50, "XnnpackExecutionProvider": 7})
    assert nodes(one) == "50 on CPU, 7 on Xnnpack"
    assert measured_with(one) == "ort 1.32.0, precise integer kernels, which compute what ARM does"
    assert nodes(row("b", providers={})) == NOTHING
    assert measured_with(row("b", engine="", kernels="")) == NOTHING


def test_machine_is_told_in_full() -> None:
    told = dict(machine_lines(comparison(row("a.onnx"))))
    assert told["Features"] == "avx2 fma"
    assert told["Threads"] == "2 of 4 cores for every engine; load before: 0.50"
    assert "onnxruntime 1.32.0" in told["Versions"]
    assert told["Measured"] == "2026-01-02 03:04:05 UTC"
    assert "Board" not in told
