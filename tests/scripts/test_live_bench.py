"""The bench of live streams: its figures, and that what it reads is what the camera drew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import live_bench
from scripts.live_bench import Phase, at, flat, memory_of, seconds_of, show


def test_quantiles() -> None:
    values = [float(value) for value in range(101)]
    assert (at(values, 0.5), at(values, 0.95), at([], 0.5)) == (50, 95, 0)


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    assert flat([200.0, 230, 231, 230, 232, 231, 230, 231]) < live_bench.GROWTH
    assert flat([200.0 + 10 * step for step in range(20)]) > live_bench.GROWTH


def test_a_process_is_read() -> None:
    assert 5 < memory_of(os.getpid()) < 20_000
    assert seconds_of(os.getpid()) > 0


def test_the_table_says_whether_the_bar_is_reached(capsys: pytest.CaptureFixture[str]) -> None:
    good = Phase(1, 60.0, 25.0, (25.0,), 40.0, 65.0, 136.0, 4.0, 239.0, 0.67)
    bad = Phase(2, 60.0, 25.0, (24.6, 24.4), 73.0, 190.0, 272.0, 8.0, 241.0, 0.68)
    show([good], [230.0, 239.0])
    assert "within the 150 ms bar" in capsys.readouterr().out
    show([good, bad], [230.0, 239.0])
    assert "ABOVE the 150 ms bar" in capsys.readouterr().out


def test_the_page_reads_what_the_camera_draws(tmp_path: Path) -> None:
    """The reader's cells are those of the synthetic camera, whose code is Python's."""
    text = live_bench._READER
    for words in ("width / 80", "32 * cell) / 2", "cell / 2", "place < 16", "% 65536"):
        assert words in text
    from edge.live.sources import synthetic

    assert (synthetic._COLUMNS, synthetic._CELLS, synthetic.BITS) == (80, 32, 16)
    assert synthetic._TOP == 0.5
