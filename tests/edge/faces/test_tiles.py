"""Tiles: they cover the picture, are small enough, and hold every face whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faces.tiles import MOST_PIXELS, OVERLAP, Tile, tiles


@pytest.mark.parametrize(
    ("size", "count"),
    [((640, 360), 1), ((1280, 720), 2), ((1920, 1080), 3), ((1080, 1920), 3), ((1920, 1920), 6)],
)
def test_common_sizes(size: tuple[int, int], count: int) -> None:
    assert len(tiles(*size)) == count


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_tiles_are_small_and_cover_everything(columns: int, rows: int) -> None:
    parts = tiles(columns, rows)
    for part in parts:
        assert 0 <= part.left < part.right <= columns
        assert 0 <= part.top < part.bottom <= rows
        assert (part.right - part.left) * (part.bottom - part.top) <= MOST_PIXELS
        assert part.cut == (
            part.left > 0,
            part.top > 0,
            part.right < columns,
            part.bottom < rows,
        )
    covered = np.zeros((-(-rows // 8), -(-columns // 8)), bool)
    for part in parts:
        covered[part.top // 8 : -(-part.bottom // 8), part.left // 8 : -(-part.right // 8)] = True
    assert covered.all()


@given(st.data())
def test_each_face_is_whole_in_a_tile(data: st.DataObject) -> None:
    columns, rows = data.draw(st.integers(600, 4000)), data.draw(st.integers(600, 4000))
    side = data.draw(st.integers(1, OVERLAP - 8))
    x, y = data.draw(st.integers(0, columns - side)), data.draw(st.integers(0, rows - side))
    box = np.array([x, y, side, side], np.float32)
    held = [
        bool(part.whole(box[None] - np.array([part.left, part.top, 0, 0], np.float32))[0])
        for part in tiles(columns, rows)
        if part.left <= x and part.top <= y and x + side <= part.right and y + side <= part.bottom
    ]
    assert any(held)


def test_a_box_at_a_cut_is_not_whole_and_one_at_the_frame_is() -> None:
    part = Tile(0, 0, 100, 100, (False, False, True, False))
    boxes = np.array([(-3, 5, 20, 20), (40, 90, 20, 20), (79, 5, 20, 20)], np.float32)
    assert part.whole(boxes).tolist() == [True, True, False]
    assert part.whole(np.zeros((0, 4), np.float32)).shape == (0,)


def test_tiles_that_would_be_all_overlap_are_not_made() -> None:
    assert max(part.right - part.left for part in tiles(700, 700, most=1)) <= 2 * OVERLAP
