from __future__ import annotations

import numpy as np
import pytest

from scripts.watermark_attacks import ROWS, cut, one_second, turned
from tests.edge.provenance.watermark.scenes import textured


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_attack_gives_a_picture_and_the_same_again(row: object) -> None:
    frame = textured(640, 360)
    before = frame.copy()
    first, again = (row.apply(frame, np.random.default_rng(1)) for _ in range(2))  # type: ignore[attr-defined]
    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(frame, before)
    assert 0.8 <= row.bar < 1  # type: ignore[attr-defined]


def test_a_crop_comes_from_anywhere() -> None:
    frame = np.arange(100 * 100 * 3, dtype=np.uint32).reshape(100, 100, 3)
    corners = {int(cut(frame, 0.3, np.random.default_rng(s))[0, 0, 0]) for s in range(40)}  # type: ignore[arg-type]
    assert cut(frame, 0.3, np.random.default_rng(0)).shape == (70, 70, 3)  # type: ignore[arg-type]
    assert len(corners) > 30


def test_a_turned_picture_has_no_empty_corner() -> None:
    assert turned(np.full((360, 640, 3), 200, np.uint8), 1.0).min() > 190


def test_a_second_of_video_moves_and_is_marked() -> None:
    pytest.importorskip("av", reason="videos need PyAV")
    marked = []
    frames = one_second(textured(1920, 1080), lambda frame: marked.append(frame.shape))
    assert len(marked) == 25
    assert marked[0] == (1080, 1920, 3)
    assert [frame.shape for frame in frames] == [(720, 1280, 3)] * 5
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1
