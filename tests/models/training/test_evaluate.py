"""The bars: what reaches them, what misses them, and what was not measured."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from rich.console import Console

from models.training.evaluate import EMBEDDER, SWAPPER, Bar, bars_of, report

GOOD = {
    "psnr": 27.5, "ssim": 0.91, "nearer_source": 1.0, "cosine_share": 0.8, "landmarks": 0.02,
    "flicker": 1.2, "detail": 0.9,
}  # fmt: skip


def printed(measured: dict[str, dict[str, float]]) -> tuple[bool, str]:
    stream = io.StringIO()
    reached = report(measured, Console(file=stream, width=120))
    return reached, stream.getvalue()


def test_every_bar_is_printed_and_reached() -> None:
    reached, text = printed({"swapper": GOOD, "swapper_256": GOOD})
    assert reached
    assert text.count("reached") == 2 * len(SWAPPER)
    assert "<= 1.5" in text
    assert ">= 27" in text


@pytest.mark.parametrize(
    ("figure", "value"),
    [("psnr", 26.9), ("flicker", 1.6), ("landmarks", 0.031), ("ssim", float("nan"))],
)
def test_a_missed_bar_is_a_missed_bar(figure: str, value: float) -> None:
    reached, text = printed({"swapper": {**GOOD, figure: value}})
    assert not reached
    assert text.count("MISSED") == 1


def test_what_was_not_measured_is_not_reached() -> None:
    reached, text = printed({"embedder": {"auc": 0.999}})
    assert not reached
    assert "NOT MEASURED" in text
    assert set(bars_of("embedder")) == {bar.figure for bar in EMBEDDER}


def test_a_bar_says_its_way() -> None:
    assert str(Bar("a", least=2.0)) == ">= 2"
    assert str(Bar("a", most=2.0)) == "<= 2"
