"""The bench of the line: what it is held against, and the video that it makes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from scripts.video_bench import Row, _table, best_of, ceiling, make_video, waiting

STEPS = [Row("decode", 500.0, 2.0), Row("swap", 100.0, 10.0), Row("encode", 300.0, 4.0)]
LINE = Row("the line", 80.0, 16.0)


@pytest.mark.parametrize(
    ("cores", "frames", "why"),
    [
        (1, 62.5, "1 cores"),  # 16 ms of work a frame
        (2, 100.0, "swap"),  # 125 by the cores, 100 by the step
        (8, 100.0, "swap"),
    ],
)
def test_a_line_is_held_against_what_it_can_reach(cores: int, frames: float, why: str) -> None:
    most, reason = ceiling([*STEPS, LINE], cores)
    assert most == pytest.approx(frames)
    assert reason == why


def test_the_best_round_of_each_step_counts() -> None:
    worse = [Row(row.step, row.frames / 2, row.cpu) for row in STEPS]
    better = [Row(row.step, row.frames + 1, row.cpu) for row in STEPS[:1]]
    assert best_of([STEPS, [*better, *worse[1:]]]) == [*better, *STEPS[1:]]


def test_a_line_that_waits_is_no_faster_than_its_slowest_step() -> None:
    """Sleeping takes no less than was asked for, whatever the machine does meanwhile."""
    times = {"decode": 0.001, "find": 0.002, "swap": 0.004, "encode": 0.001}
    steps = [Row(name, 1 / each, 1.0, (each,) * 12) for name, each in times.items()]
    for found in waiting(steps):
        assert 0 < found <= 250


def test_both_verdicts_are_told() -> None:
    _, told = _table((640, 360), [*STEPS, LINE], (85.0, 100.0), 2)
    of_all, own = told.splitlines()
    assert "0.80 of what swap can do" in of_all
    assert "MISSED" in of_all
    assert "0.85 of the slowest step" in own
    assert "MISSED" in own
    _, told = _table((640, 360), [*STEPS, LINE], (95.0, 100.0), 2)
    assert "0.95 of the slowest step (bar 0.9), reached" in told


def test_the_video_has_size_length_and_pace(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="videos need PyAV")
    from edge.media.video_in import open_video

    path = make_video(tmp_path / "long.mp4", (320, 180), 205)  # the sample has fewer frames
    with open_video(path) as reader:
        frames = list(reader)
    assert len(frames) == 205
    assert frames[0].frame.shape == (180, 320, 3)
    times = [float((frame.pts or 0) * frame.time_base) for frame in frames]
    steps = {round(after - before, 4) for before, after in pairwise(times)}
    assert len(steps) == 1
