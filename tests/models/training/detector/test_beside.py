"""Two detectors side by side: each at a threshold of its own, with as many false faces."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("torch")

from rich.console import Console

from models.training.detector import beside
from models.training.detector.beside import Scored, recall_at, table_of


def _scored(name: str = "one") -> Scored:
    return Scored(
        name,
        0.5,
        large=np.array([0.9, 0.8, 0.6, 0.4, 0.0]),
        small=np.array([0.7, 0.3]),
        wrong=np.array([0.45, 0.75, 0.2]),
    )


@pytest.mark.parametrize(
    ("false", "threshold", "large", "small"),
    [(0, 0.75, 0.4, 0.0), (1, 0.45, 0.6, 0.5), (2, 0.2, 0.8, 1.0), (3, 0.0, 0.8, 1.0)],
)
def test_recall_where_so_many_things_are_taken_for_faces(
    false: int, threshold: float, large: float, small: float
) -> None:
    assert recall_at(_scored(), false) == pytest.approx((threshold, large, small))


def test_a_detector_that_errs_never_misses_only_what_it_did_not_find() -> None:
    scored = Scored("sure", 0.5, np.array([0.9, 0.0]), np.array([0.3]), np.array([]))
    assert recall_at(scored, 0) == (0.0, 0.5, 1.0)


def test_the_table_names_both_and_their_own_thresholds() -> None:
    page = io.StringIO()
    Console(width=120, file=page).print(table_of((_scored("ours"), _scored("theirs")), 312))
    text = page.getvalue()
    assert "false faces in 312 pictures" in text
    assert "ours" in text
    assert "theirs" in text
    assert "0.400; 0.000 (above 0.75)" in text
    assert text.count("0.5: 1 false") == 2


def test_a_detector_that_is_not_here_is_said(
    edge_home: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        beside.main(["no_such_detector"])
    assert caught.value.code == 2
    assert "no_such_detector" in capsys.readouterr().err
