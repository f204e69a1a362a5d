from __future__ import annotations

import numpy as np
import pytest

from edge.faces.candidates import MOST_FACES, Candidates, joined, sane, suppress


def _candidates(boxes: list[tuple[float, float, float, float]]) -> Candidates:
    placed = np.array(boxes, np.float32).reshape(-1, 4)
    middles = placed[:, None, :2] + placed[:, None, 2:] * np.float32(0.5)
    spread = np.linspace(-2, 2, 5, dtype=np.float32)[None, :, None]
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    points = (middles + spread).astype(np.float32)
    return Candidates(scores, placed, points, placed[:, 2:].max(axis=1, initial=0))


def test_of_boxes_that_overlap_the_best_is_kept() -> None:
    found = _candidates([(0, 0, 100, 100), (10, 0, 100, 100), (60, 0, 100, 100), (400, 0, 9, 9)])
    kept = suppress(found, found.scores, 0.4, 1.0, 0.0)
    np.testing.assert_array_equal(kept.boxes[:, 0], [0, 60, 400])  # 0.25 of overlap is too little
    np.testing.assert_array_equal(kept.scores, found.scores[[0, 2, 3]])
    backwards = suppress(found, -found.scores, 0.4, 1.0, 0.0)
    np.testing.assert_array_equal(backwards.boxes[:, 0], [400, 60, 10])


def test_boxes_inside_a_better_one_are_parts_of_it() -> None:
    found = _candidates([(0, 0, 100, 100), (20, 20, 20, 20)])
    assert len(suppress(found, found.scores, 0.4, 0.8, 0.0).scores) == 1
    assert len(suppress(found, found.scores, 0.4, 1.0, 0.0).scores) == 2


def test_nothing_is_kept_of_nothing() -> None:
    nothing = _candidates([(0, 0, 9, 9)]).take(np.zeros(0, np.intp))
    assert suppress(nothing, nothing.scores, 0.4, 1.0, 0.5).scores.size == 0


def test_more_than_there_can_be_are_not_looked_for() -> None:
    """Ten thousand that do not overlap would take minutes, and are refused in any case."""
    found = _candidates([(20 * number, 0, 9, 9) for number in range(3 * MOST_FACES)])
    assert len(suppress(found, found.scores, 0.4, 1.0, 0.5).scores) == MOST_FACES + 1


def test_looks_are_joined_in_order() -> None:
    parts = [_candidates([(0, 0, 9, 9)]), _candidates([(1, 0, 9, 9), (2, 0, 9, 9)])]
    np.testing.assert_array_equal(joined(parts).boxes[:, 0], [0, 1, 2])
    assert joined(parts).points.shape == (3, 5, 2)


@pytest.mark.parametrize(
    ("box", "can_be"),
    [
        ((10, 10, 20, 20), True),
        ((-15, 10, 40, 20), True),  # reaches out, but its middle is inside
        ((-45, 10, 40, 20), False),
        ((90, 10, 40, 20), False),
        ((10, 10, 0.5, 20), False),
        ((np.nan, 10, 20, 20), False),
        ((10, 10, np.inf, 20), False),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_face_has_a_size_and_its_middle_in_the_frame(
    box: tuple[float, float, float, float], can_be: bool
) -> None:
    assert sane(_candidates([box]), 100, 80).tolist() == [can_be]


def test_landmarks_in_one_point_are_no_face() -> None:
    found = _candidates([(10, 10, 20, 20)])
    one = Candidates(found.scores, found.boxes, found.points * 0 + 20, found.sides)
    assert sane(one, 100, 80).tolist() == [False]


def test_overlapping_candidates_vote_on_where_a_face_is() -> None:
    boxes = np.array([[0, 0, 100, 100], [4, 0, 100, 100], [300, 0, 50, 50]], np.float32)
    points = np.stack([np.full((5, 2), value, np.float32) for value in (50, 54, 320)])
    scores = np.array([0.9, 0.9, 0.8], np.float32)
    found = Candidates(scores, boxes, points, np.array([100, 100, 50], np.float32))
    alone = suppress(found, scores, 0.4, 1.0, 0.0)
    np.testing.assert_array_equal(alone.points[:, 0, 0], [50, 320])
    voted = suppress(found, scores, 0.4, 1.0, 0.5)
    np.testing.assert_allclose(voted.boxes[:, 0], [2, 300])
    np.testing.assert_allclose(voted.points[:, 0, 0], [52, 320])
