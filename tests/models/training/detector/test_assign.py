"""The lists of cells that may answer for a face."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.detector.assign import CANDIDATES, STRIDES, candidates, grid, ignored


def test_grid_lists_every_cell_row_by_row() -> None:
    cells, strides = grid(64, 96)

    assert len(cells) == len(strides) == 96 + 24 + 6
    assert cells[1].tolist() == [1, 0]
    assert cells[12].tolist() == [0, 1]
    assert [int((strides == s).sum()) for s in STRIDES] == [96, 24, 6]


@pytest.mark.parametrize("size", [11, 20, 32, 50, 100, 180, 300])
def test_every_face_has_a_cell_that_may_answer(size: int) -> None:
    boxes = np.array([[7, 3, size, size], [301.5, 200.25, size * 0.8, size * 1.25]], np.float32)

    chosen = candidates(boxes, 640, 640)

    assert chosen.shape == (2, CANDIDATES)
    assert (chosen >= 0).any(1).all()


def test_candidates_lie_near_the_middle_of_their_face() -> None:
    box = np.array([[40, 60, 64, 80]], np.float32)
    cells, strides = grid(256, 256)

    chosen = candidates(box, 256, 256)[0]
    chosen = chosen[chosen >= 0]

    middles = (cells[chosen] + 0.5) * strides[chosen, None]
    reach = np.maximum(0.8 * strides[chosen], 0.3 * np.sqrt(64 * 80)) + 1e-3
    assert (np.abs(middles - (72, 100)).max(1) <= reach).all()
    assert set(strides[chosen].tolist()) == {16.0, 32.0} or 16.0 in strides[chosen]


def test_cells_of_ignored_boxes_are_marked_on_all_strides() -> None:
    cells, strides = grid(64, 64)

    marked = ignored(np.array([[0, 0, 33, 33]], np.float32), 64, 64)

    assert {int(s) for s in strides[marked]} == set(STRIDES)
    assert not marked[(cells[:, 0] + 0.5) * strides > 33].any()
    assert not ignored(np.zeros((0, 4), np.float32), 64, 64).any()
