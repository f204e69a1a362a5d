"""Following: when the whole frame is looked at, and that followed faces lie where found ones do."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import resources
from edge.faces.detect import VIDEO_PASSES, open_detector
from edge.faces.follow import EVERY, Follower, best_match, carried
from edge.faces.track import Steady, overlap
from edge.records import Face

GREY = np.full((120, 160, 3), 90, np.uint8)

LEAST_OVERLAP = 0.88
"""Intersection over union of a followed face's box with the one that a whole look finds."""

MOST_APART = 0.03
"""Eye distances that its landmarks lie apart in the mean."""


def _face(x: float, y: float = 20.0, side: float = 40.0) -> Face:
    grid = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    points = (grid * side + (x, y)).astype(np.float32)
    return Face(box=(x, y, side, side), score=0.9, landmarks=points)


class _Scene:
    """A detector that knows where everybody is; counts how it is asked."""

    def __init__(self, *faces: Face) -> None:
        self.faces = faces
        self.whole = 0
        self.expected: list[Face] = []

    def find(self, frame: NDArray[np.uint8]) -> tuple[Face, ...]:
        self.whole += 1
        return self.faces

    def near(self, frame: NDArray[np.uint8], expected: Face) -> Face | None:
        self.expected.append(expected)
        return best_match(self.faces, expected)


def _follower(scene: _Scene, every: int = EVERY) -> Follower:
    return Follower(scene.find, scene.near, every)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_whole_frame_is_looked_at_now_and_then(every: int) -> None:
    scene = _Scene(_face(10), _face(90))
    follower = _follower(scene, every)
    for _ in range(20):
        assert follower.update(GREY) == scene.faces
    assert scene.whole == follower.looks == 20 / every
    assert len(scene.expected) == 2 * (20 - scene.whole)


def test_a_face_is_expected_where_it_moves_to() -> None:
    scene = _Scene(_face(10))
    follower = _follower(scene, 100)
    for step in range(5):
        scene.faces = (_face(10 + 8.0 * step),)
        follower.update(GREY)
    assert scene.whole == 1
    # The first one says nothing of a move yet; all others are expected exactly.
    assert [each.box[0] for each in scene.expected] == [10, 26, 34, 42]
    np.testing.assert_allclose(scene.expected[-1].landmarks, _face(42).landmarks)


def test_a_lost_face_is_looked_for_at_once() -> None:
    scene = _Scene(_face(10), _face(90))
    follower = _follower(scene, 100)
    follower.update(GREY)
    scene.faces = (_face(10),)
    assert follower.update(GREY) == scene.faces
    assert scene.whole == 2
    scene.faces = ()
    assert follower.update(GREY) == ()
    assert follower.update(GREY) == ()
    assert scene.whole == 4  # nobody to follow: every frame, or the next one would come late


def test_two_that_became_one_are_looked_at_again() -> None:
    scene = _Scene(_face(10), _face(30))
    follower = _follower(scene, 100)
    follower.update(GREY)
    scene.faces = (_face(20),)
    assert follower.update(GREY) == scene.faces
    assert scene.whole == 2


def test_a_cut_is_looked_at_whole() -> None:
    scene = _Scene(_face(10))
    follower = _follower(scene, 100)
    follower.update(GREY)
    follower.update(GREY + np.uint8(5))  # a lamp is switched on
    assert scene.whole == 1
    follower.update(GREY + np.uint8(60))
    assert scene.whole == 2
    follower.update(np.full((60, 80, 3), 150, np.uint8))  # another size: a camera was changed
    assert scene.whole == 3


@settings(max_examples=50, deadline=None)
@given(st.floats(-40, 40, width=32), st.floats(-40, 40, width=32), st.floats(0.5, 2.0, width=32))
def test_a_box_goes_with_the_landmarks_and_grows_with_them(
    across: float, down: float, grown: float
) -> None:
    before = _face(30)
    now = replace(
        before, score=0.5, box=(0, 0, 1, 1), landmarks=before.landmarks * grown + (across, down)
    )
    x, y, width, height = before.box
    wanted = [x * grown + across, y * grown + down, width * grown, height * grown]
    found = carried(before, now)
    assert found.box == pytest.approx(wanted, abs=0.05)
    assert found.score == 0.5
    np.testing.assert_array_equal(found.landmarks, now.landmarks)


def test_a_box_hardly_moves_when_the_head_turns() -> None:
    """Eyes and mouth go by two pixels and the nose by four: what they lie before stays."""
    before = _face(30)
    turned = before.landmarks + np.array([[2, 0], [2, 0], [4, 0], [2, 0], [2, 0]], np.float32)
    assert carried(before, replace(before, landmarks=turned)).box == pytest.approx(before.box)


def test_landmarks_in_one_point_leave_the_box_as_large_as_it_was() -> None:
    flat = Face(box=(1, 2, 30, 40), score=1.0, landmarks=np.full((5, 2), 9, np.float32))
    assert carried(flat, replace(flat, landmarks=flat.landmarks + 1)).box == (2, 3, 30, 40)


def test_followed_faces_lie_where_found_ones_do() -> None:
    pytest.importorskip("av", reason="the sample video needs PyAV")
    from edge.media.video_in import open_video

    detector = open_detector(threads=1)
    follower = Follower(partial(detector.detect, passes=VIDEO_PASSES), detector.near)
    with open_video(resources.samples_dir() / "sample.mp4") as reader:
        frames = [frame.frame for frame in reader][:60:2]  # every other one: it moves twice as fast
    for frame in frames:
        found, followed = detector.detect(frame, passes=VIDEO_PASSES), follower.update(frame)
        assert len(found) == len(followed) > 0
        for one, other in zip(found, followed, strict=True):
            assert overlap(one, other) >= LEAST_OVERLAP
            eyes = np.linalg.norm(one.landmarks[1] - one.landmarks[0])
            apart = np.linalg.norm(one.landmarks - other.landmarks, axis=1).mean()
            assert apart <= MOST_APART * eyes
    assert follower.looks < len(frames) / 2


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0, 60, width=32), min_size=2, max_size=12),
    st.integers(1, 6),
    st.data(),
)
def test_another_follower_goes_on_as_the_first_would(
    places: list[float], every: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(places) - 1))
    scene = _Scene()
    frames = [np.full((64, 64, 3), 90 + 60 * (number == at), np.uint8) for number in range(20)]
    whole, first, second = (_follower(scene, every) for _ in range(3))
    steady, before, after = Steady(), Steady(), Steady()
    for number, place in enumerate(places):
        scene.faces = (_face(place), _face(place + 100))
        expected = steady.update(whole.update(frames[number]))
        if number == at:
            kept = json.loads(json.dumps([first.state(), before.state()]))
            second.restore(kept[0], frames[number - 1])
            after.restore(kept[1])
        follower, smooth = (first, before) if number < at else (second, after)
        got = smooth.update(follower.update(frames[number]))
        for one, other in zip(expected, got, strict=True):
            assert (one.box, one.score) == (other.box, other.score)
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
    assert whole.looks == first.looks + second.looks
