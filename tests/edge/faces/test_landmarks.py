from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import BackendError, CardError, ModelError
from edge.faces.align import TEMPLATES
from edge.faces.detect import Detector, open_detector
from edge.faces.embed import open_embedder
from edge.faces.landmarks import Landmarker, joint, open_landmarker
from edge.records import Face
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def landmarker(edge_home: Path) -> Landmarker:
    tiny.install(edge_home)
    tiny.install_one(edge_home, "tiny_landmarker", "landmarker", tiny.LANDMARKER, tiny.landmarker())
    return open_landmarker("tiny_landmarker", threads=1)


def _face(side: float, turn: float = 0.0) -> Face:
    cos, sin = np.cos(turn), np.sin(turn)
    points = (TEMPLATES["ffhq_512"] - 0.5) * side @ np.array([[cos, sin], [-sin, cos]])
    box = (150 - side / 2, 120 - side / 2, side, side)
    return Face(box=box, score=0.7, landmarks=(points + np.array([150, 120])).astype(np.float32))


def _dot(x: int, y: int, reach: int) -> NDArray[np.uint8]:
    frame = np.zeros((240, 300, 3), np.uint8)
    frame[y - reach : y + reach + 1, x - reach : x + reach + 1] = 255
    return frame


@pytest.mark.parametrize("side", [20, 60, 200])
@pytest.mark.parametrize("turn", [-0.6, 0.0, 0.4])
def test_points_of_the_crop_come_back_to_the_frame(
    landmarker: Landmarker, side: float, turn: float
) -> None:
    at = (150 + round(side * 0.15), 120 - round(side * 0.1))
    face = _face(side, turn)
    placed = landmarker.place(_dot(*at, max(2, round(side / 20))), face)
    assert placed.landmarks.dtype == np.float32
    # The crop has 32 pixels: half of one is what a place may be wrong by.
    np.testing.assert_allclose(placed.landmarks.mean(axis=0), at, atol=side / 64 + 0.1)
    assert (placed.box, placed.score) == (face.box, face.score)
    across, along = placed.landmarks[1] - placed.landmarks[0], face.landmarks[1] - face.landmarks[0]
    assert across @ along == pytest.approx(np.linalg.norm(across) * np.linalg.norm(along), rel=1e-4)


def test_a_second_look_starts_where_the_first_ended(edge_home: Path) -> None:
    once = tiny.LANDMARKER.replace("looks = 2", "looks = 1")
    tiny.install_one(edge_home, "once", "landmarker", once, tiny.landmarker())
    tiny.install_one(edge_home, "twice", "landmarker", tiny.LANDMARKER, tiny.landmarker())
    # Half of the block lies outside the first crop, which so takes its middle to be nearer.
    frame, face = _dot(180, 120, 8), _face(60)
    errors = [
        abs(open_landmarker(name).place(frame, face).landmarks.mean(axis=0)[0] - 180)
        for name in ("once", "twice")
    ]
    assert errors[0] > 2
    assert errors[1] < 1


def test_points_far_outside_the_crop_are_not_taken(edge_home: Path) -> None:
    wild = tiny.landmarker(shift=3.0)
    tiny.install_one(edge_home, "wild", "landmarker", tiny.LANDMARKER, wild)
    face = _face(60)
    assert open_landmarker("wild").place(_dot(150, 120, 3), face) is face


def test_landmarks_that_nothing_can_be_aligned_to_stay(landmarker: Landmarker) -> None:
    face = Face(box=(0, 0, 9, 9), score=0.5, landmarks=np.zeros((5, 2), np.float32))
    assert landmarker.place(_dot(1, 1, 1), face) is face


def test_a_detector_uses_the_landmarker_of_its_card(edge_home: Path) -> None:
    tiny.install(edge_home)
    tiny.install_one(
        edge_home, "once", "landmarker", tiny.LANDMARKER.replace("looks = 2", "looks = 1"),
        tiny.landmarker(),
    )  # fmt: skip
    body = tiny.DETECTOR.replace("[detector]", '[detector]\nlandmarker = "once"')
    tiny.install_one(edge_home, "pair", "detector", body, tiny.detector())
    frame = tiny.white_cells((160, 160), [(8, 9)])
    plain, pair = open_detector("tiny_detector"), open_detector("pair")
    assert [use.name for use in plain.uses] == ["tiny_detector"]
    assert [use.name for use in pair.uses] == ["pair", "once"]
    (rough,), (placed,) = plain.detect(frame), pair.detect(frame)
    assert rough.box == placed.box
    np.testing.assert_allclose(placed.landmarks.mean(axis=0), (67.5, 75.5), atol=1.0)
    assert np.abs(rough.landmarks - placed.landmarks).max() > 1


def test_a_missing_landmarker_is_named(edge_home: Path) -> None:
    body = tiny.DETECTOR.replace("[detector]", '[detector]\nlandmarker = "nobody"')
    tiny.install_one(edge_home, "lonely", "detector", body, tiny.detector())
    with pytest.raises(CardError, match="no model 'nobody'"):
        open_detector("lonely")


def test_a_card_of_another_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a recogniser"):
        open_landmarker("tiny_embedder")
    embedder = open_embedder("tiny_embedder")
    with pytest.raises(CardError, match="a landmarker is needed"):
        Landmarker(embedder.card, embedder._session)
    with pytest.raises(CardError, match="a detector is needed"):
        Detector(embedder.card, embedder._session)


def test_a_model_with_other_outputs_does_not_fit(edge_home: Path) -> None:
    tiny.install_one(edge_home, "many", "landmarker", tiny.LANDMARKER, tiny.landmarker(points=68))
    with pytest.raises(ModelError, match="136 numbers"):
        open_landmarker("many").place(_dot(150, 120, 3), _face(60))


@pytest.mark.parametrize(
    ("looks", "message"), [("0", "looks"), ("9", "4 at most"), ('"x"', "looks")]
)
def test_looks_are_checked(edge_home: Path, looks: str, message: str) -> None:
    body = tiny.LANDMARKER.replace("looks = 2", f"looks = {looks}")
    tiny.install_one(edge_home, "odd", "landmarker", body, tiny.landmarker())
    with pytest.raises(CardError, match=message):
        open_landmarker("odd")


def _judged(edge_home: Path, *face: float) -> Detector:
    """A detector whose landmarker gives these numbers for the probability of a face."""
    tiny.install(edge_home)
    judge = tiny.LANDMARKER.replace("looks = 2", 'looks = 2\nface = "face"')
    tiny.install_one(edge_home, "judge", "landmarker", judge, tiny.landmarker(face=face))
    body = tiny.DETECTOR.replace("[detector]", '[detector]\nlandmarker = "judge"')
    tiny.install_one(edge_home, "pair", "detector", body, tiny.detector())
    return open_detector("pair", threads=1)


@pytest.mark.parametrize(
    ("light", "alone"), [(255, 0.993), (220, 0.378), (212, 0.149)], ids=["sure", "doubted", "dark"]
)
@pytest.mark.parametrize("face", [1.0, 0.6, 0.0])
def test_a_landmarker_that_judges_has_a_say_in_the_score(
    edge_home: Path, light: int, alone: float, face: float
) -> None:
    detector = _judged(edge_home, face)
    frame = tiny.white_cells((160, 160), [(8, 9)])
    frame[frame > 0] = light
    (rough,) = open_detector("tiny_detector", threads=1).detect(frame, min_score=0.05)
    assert rough.score == pytest.approx(alone, abs=0.02)
    both = joint(rough.score, face)
    found = detector.detect(frame)
    # Half is the card's threshold; what the detector itself gives less than 0.2 is not looked at.
    assert len(found) == (both >= 0.5 and rough.score >= 0.2)
    for one in found:
        assert one.score == pytest.approx(both, abs=1e-6)
    # One that is followed is looked at however much the detector doubts.
    near = detector.near(frame, rough)
    assert (near is not None) == (both >= 0.5)
    assert near is None or near.score == pytest.approx(both, abs=1e-6)


def test_a_face_that_no_crop_can_show_keeps_the_detectors_score(edge_home: Path) -> None:
    judge = _judged(edge_home, 1.0)._landmarker
    assert judge is not None
    face = Face(box=(0, 0, 9, 9), score=0.3, landmarks=np.zeros((5, 2), np.float32))
    assert judge.place(_dot(1, 1, 1), face) is face


def test_a_probability_is_one_number(edge_home: Path) -> None:
    with pytest.raises(ModelError, match="2 numbers for the probability of a face"):
        _judged(edge_home, 0.1, 0.9).detect(tiny.white_cells((160, 160), [(8, 9)]))


def test_a_probability_is_a_number_and_no_more_than_1(edge_home: Path) -> None:
    frame = tiny.white_cells((160, 160), [(8, 9)])
    with pytest.raises(BackendError, match="no numbers"):
        _judged(edge_home, float("nan")).detect(frame)
    (found,) = _judged(edge_home, 7.0).detect(frame)
    assert found.score == pytest.approx(joint(0.993, 1.0), abs=0.01)


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_that_agree_are_not_overruled(score: float, face: float) -> None:
    both = joint(score, face)
    assert 0 < both < 1
    low, high = sorted((score, face))
    assert min(low, 0.95) - 1e-9 <= both <= max(high, 0.05) + 1e-9
    assert both <= joint(score, min(face + 0.1, 1.0))


def test_an_output_that_is_not_there_is_named(edge_home: Path) -> None:
    judge = tiny.LANDMARKER.replace("looks = 2", 'looks = 2\nface = "face"')
    tiny.install_one(edge_home, "judge", "landmarker", judge, tiny.landmarker())
    with pytest.raises(ModelError, match="no output 'face'"):
        open_landmarker("judge")


@pytest.mark.parametrize(("threshold", "count"), [("0.5", 1), ("0.95", 0)])
def test_its_card_says_which_score_counts(edge_home: Path, threshold: str, count: int) -> None:
    _judged(edge_home, 0.6)
    judge = tiny.LANDMARKER.replace("looks = 2", f'face = "face"\nthreshold = {threshold}')
    tiny.install_one(edge_home, "judge", "landmarker", judge, tiny.landmarker(face=(0.6,)))
    frame = tiny.white_cells((160, 160), [(8, 9)])
    detector = open_detector("pair", threads=1)
    assert detector.threshold == float(threshold)
    (found,) = detector.detect(frame, min_score=0.3)
    assert 0.5 < found.score < 0.95
    assert len(detector.detect(frame)) == count
    assert open_detector("tiny_detector", threads=1).threshold == 0.5
