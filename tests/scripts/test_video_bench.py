"""The bench of the line: what it is held against, and the video that it makes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from scripts.video_bench import Row, best_of, ceiling, make_video

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
