"""Faces of a video are steadied, and never left behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faces.track import FREE, LEAST, Steady, overlap
from edge.records import Face

POINTS = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], np.float32)
EYES = 40.0


def face(x: float = 0.0, y: float = 0.0, wobble: float = 0.0, seed: int = 0) -> Face:
    noise = np.random.default_rng(seed).normal(0, wobble, (5, 2)).astype(np.float32)
    move = np.array([x, y], np.float32)
    return Face((x, y, 100.0, 120.0), 0.9, POINTS + move + noise)


def test_trembling_is_damped() -> None:
    steady = Steady()
    seen = [steady.update([face(wobble=0.5, seed=seed)])[0].landmarks for seed in range(40)]
    raw = [face(wobble=0.5, seed=seed).landmarks for seed in range(40)]
    assert np.diff(seen[5:], axis=0).std() < 0.5 * np.diff(raw[5:], axis=0).std()
    np.testing.assert_allclose(np.mean(seen, axis=0), POINTS, atol=0.3)  # around the right place


def test_a_move_is_followed_at_once() -> None:
    steady = Steady()
    steady.update([face()])
    moved = face(x=EYES * FREE * 1.01)
    np.testing.assert_allclose(steady.update([moved])[0].landmarks, moved.landmarks, atol=1e-4)


def test_a_slow_drift_lags_by_a_part_of_a_pixel() -> None:
    steady = Steady()
    step = 0.2
    for number in range(60):
        (shown,) = steady.update([face(x=number * step)])
    # The share settles where share * lag = step, and share is at least LEAST.
    assert 59 * step - shown.box[0] <= step / LEAST


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_a_head_that_turns_steadily_trembles_less_and_does_not_lag(pace: float) -> None:
    steady, raw, seen = Steady(), [], []
    for number in range(80):
        now = face(x=number * pace, wobble=0.4, seed=number)
        raw.append(now.landmarks - (number * pace, 0))
        seen.append(steady.update([now])[0].landmarks - (number * pace, 0))
    assert np.diff(seen[40:], axis=0).std() < 0.6 * np.diff(raw[40:], axis=0).std()
    np.testing.assert_allclose(np.mean(seen[40:], axis=0), POINTS, atol=0.25)


def test_a_head_that_stops_is_not_thrown_on() -> None:
    steady, stop = Steady(), 30
    for number in range(60):
        (shown,) = steady.update([face(x=2.0 * min(number, stop))])
        past = float(shown.landmarks[0, 0] - POINTS[0, 0]) - 2.0 * stop
        assert past < 0.05 * EYES
    assert abs(past) < 0.01 * EYES


def test_new_and_lost_faces() -> None:
    steady = Steady()
    steady.update([face()])
    far = face(x=500)
    first, second = steady.update([far, face(x=0.5)])
    np.testing.assert_array_equal(first.landmarks, far.landmarks)
    assert 0 < second.box[0] < 0.5
    assert steady.update([]) == ()
    back = face(x=3)
    np.testing.assert_array_equal(steady.update([back])[0].landmarks, back.landmarks)


def test_two_faces_keep_apart() -> None:
    steady = Steady()
    steady.update([face(), face(x=60)])
    left, right = steady.update([face(x=0.4), face(x=60.4)])
    assert left.box[0] < 1
    assert right.box[0] > 60


@given(st.floats(-150, 150), st.floats(-150, 150))
def test_overlap_is_a_share(x: float, y: float) -> None:
    value = overlap(face(), face(x, y))
    assert 0 <= value <= 1
    assert value == pytest.approx(overlap(face(x, y), face()))
