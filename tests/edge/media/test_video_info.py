from __future__ import annotations

import pytest

from edge.media.video_info import colour_of


@pytest.mark.parametrize(
    ("matrix", "height", "taken"),
    [(2, 480, 6), (2, 720, 1), (0, 1080, 1), (1, 480, 1), (5, 1080, 5), (9, 2160, 9)],
)
def test_untagged_matrix_is_what_players_take(matrix: int, height: int, taken: int) -> None:
    colour = colour_of(matrix, 0, 2, False, height)
    assert (colour.matrix, colour.primaries, colour.transfer) == (taken, 2, 2)
