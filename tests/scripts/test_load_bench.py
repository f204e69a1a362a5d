"""The bench of long and crowded work: short versions, and what it calls flat and lost."""

from __future__ import annotations

import pytest

from scripts import load_bench
from scripts.load_bench import Row, measure

pytest.importorskip("av", reason="videos need PyAV")


@pytest.mark.parametrize(("name", "count"), [("pictures", 40), ("threads", 128), ("processes", 16)])
def test_a_short_load_loses_nothing(name: str, count: int) -> None:
    row = measure(name, count)
    assert row.lost == []
    assert row.count == count


def test_what_is_flat() -> None:
    def row(first: float, last: float) -> Row:
        return Row("pictures", 10, 1.0, first, last, 0, [], [])

    assert row(100, 100 * (1 + load_bench.GROWTH)).flat
    assert row(100, 90).flat
    assert not row(100, 106).flat


def test_memory_that_grows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("pictures", 10, 1.0, 100.0, 120.0, 3, [], [(0.1, 100.0), (1.0, 120.0)]),
        Row("threads", 10, 1.0, 100.0, 100.0, 0, ["a frame"], []),
    ]
    assert not load_bench._show(rows)
    shown = capsys.readouterr().out
    assert "pictures: memory GREW from 100 to 120 MB" in shown
    assert "threads: LOST: a frame" in shown
    assert load_bench._show(rows[:0])
