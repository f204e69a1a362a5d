"""Landmarkers that are shown something else than an aligned crop, and give the whole outline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cards import find_card
from edge.errors import BackendError, ModelError
from edge.faces.align import TEMPLATES
from edge.faces.landmarks import Landmarker, five_of, open_landmarker
from edge.records import Face
from tests import analysers
from tests.analysers import Fake

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

CARDS = ("2dfan4", "peppa_wutz", "fan_68_5")
SHOWN_BOX = ("2dfan4", "peppa_wutz")

BOX = (52.0, 40.0, 150.0, 195.0)  # its longer side is what the models want it to be: nothing scales
FIVE = np.array([(22, 26), (42, 27), (32, 36), (24, 46), (40, 47)], np.float64)
"""The five landmarks, in 64ths of what a model is shown."""

SHIFT = np.array([52 + 75 - 128, 40 + 97.5 - 128])  # from crop to frame pixels


def _face(turn: float = 0.0, box: tuple[float, float, float, float] = BOX) -> Face:
    cos, sin = np.cos(turn), np.sin(turn)
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    points = (TEMPLATES["ffhq_512"] - 0.5) * 140 @ np.array([[cos, sin], [-sin, cos]]) + middle
    return Face(box=box, score=0.7, landmarks=points.astype(np.float32))


def _outline() -> NDArray[np.float64]:
    """Return 68 points in the 64 cells of a crop: five that are told apart, the rest at random."""
    points = np.random.default_rng(3).uniform(10, 54, (68, 2))
    angles = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.stack([np.cos(angles) * 4, np.sin(angles) * 2], axis=1)
    points[36:42], points[42:48] = ring + FIVE[0], ring + FIVE[1]
    points[[30, 48, 54]] = FIVE[2:]
    return points


def _results(card: str, score: float, points: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return what a model gives for points in 64ths of what it is shown."""
    if card == "fan_68_5":
        return {"output": (points / 64).astype(np.float32)[None]}
    third = np.full((68, 1), score if card == "peppa_wutz" else 5.0)
    results = {"landmarks": np.concatenate([points, third], axis=1).astype(np.float32)[None]}
    if card == "2dfan4":
        maps = np.random.default_rng(4).uniform(0, score / 2, (1, 68, 64, 64)).astype(np.float32)
        maps[0, np.arange(68), np.arange(68) % 64, 11] = np.linspace(score - 0.1, score + 0.1, 68)
        results["heatmaps"] = maps
    return results


def _fake(card: str, score: float = 0.8) -> Fake:
    return Fake("input", _results(card, score, _outline()))


def _frame() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(40, 256, (320, 300, 3), np.uint8)


def test_five_are_taken_from_the_outline_as_everybody_does() -> None:
    points = _outline()
    np.testing.assert_allclose(five_of(points), FIVE)
    assert five_of(FIVE) is FIVE


@pytest.mark.parametrize("card", SHOWN_BOX)
def test_the_model_is_shown_the_square_around_the_box(card: str) -> None:
    session, frame = _fake(card), _frame()
    landmarker = Landmarker(find_card(card), session)
    # Half a pixel higher, the middle lies on whole pixels: nothing is interpolated.
    landmarker.place(frame, replace(_face(), box=(52.0, 39.5, 150.0, 195.0)))
    (shown,) = session.shown
    x, y = 52 + 75 - 128, round(39.5 + 97.5) - 128
    padded = np.pad(frame, ((0, 0), (-x, 0), (0, 0)), mode="edge")
    expected = padded[y : y + 256, :256].astype(np.float64).transpose(2, 0, 1)[None] / 255
    assert shown.dtype == np.float32
    assert shown.shape == (1, 3, 256, 256)
    np.testing.assert_allclose(shown, expected, atol=1e-5)


@pytest.mark.parametrize("card", SHOWN_BOX)
def test_points_come_back_to_the_frame(card: str, edge_home: Path) -> None:
    data = analysers.model((1, 3, 256, 256), _results(card, 0.8, _outline()), name="input")
    analysers.install(edge_home, card, data)
    landmarker = open_landmarker(card, threads=1)
    placed = landmarker.place(_frame(), _face())
    np.testing.assert_allclose(placed.landmarks, FIVE * 4 + SHIFT, atol=1e-3)
    assert placed.landmarks.dtype == np.float32
    assert (placed.box, placed.score) == (BOX, 0.7)
    # A face twice as large: the same points, twice as far apart.
    x, y, width, height = (2 * value for value in BOX)
    large = landmarker.place(_frame(), _face(box=(x, y, width, height)))
    np.testing.assert_allclose(large.landmarks, (FIVE * 4 + SHIFT) * 2, atol=1e-3)
    assert landmarker.use.kind == "landmarker"


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("card", SHOWN_BOX)
def test_a_face_that_lies_is_turned_upright(card: str, quarters: int) -> None:
    session = _fake(card)
    frame = _frame()
    face = _face(turn=np.pi / 2 * quarters + 0.3)
    placed = Landmarker(find_card(card), session).place(frame, face)
    # The crop's points turn with the face, about the middle of its box.
    middle = SHIFT + 128
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    expected = (FIVE * 4 - 128) @ np.array([[cos, sin], [-sin, cos]]) + middle
    np.testing.assert_allclose(placed.landmarks, expected, atol=1e-3)
    across = placed.landmarks[1] - placed.landmarks[0]
    assert across @ (face.landmarks[1] - face.landmarks[0]) > 0


def test_one_that_takes_points_gets_them_in_the_template(edge_home: Path) -> None:
    session = _fake("fan_68_5")
    face = _face(turn=0.2)
    outline = Landmarker(find_card("fan_68_5"), session).outline(_frame(), face)
    (shown,) = session.shown
    assert shown.dtype == np.float32
    assert shown.shape == (1, 5, 2)
    # The landmarks are the template, turned and scaled: so it gets the template itself.
    np.testing.assert_allclose(shown[0], TEMPLATES["ffhq_512"], atol=1e-5)
    assert outline is not None
    cos, sin = np.cos(0.2), np.sin(0.2)
    turned = (_outline() / 64 - 0.5) * 140 @ np.array([[cos, sin], [-sin, cos]])
    np.testing.assert_allclose(outline.points, turned + SHIFT + 128, atol=1e-3)
    assert outline.score == 1.0


@pytest.mark.parametrize(
    ("card", "mean", "score"),
    [("2dfan4", 0.45, 0.5), ("2dfan4", 2.0, 1.0), ("peppa_wutz", 0.475, 0.5), ("peppa_wutz", 0, 0)],
)
def test_the_score_is_the_families(card: str, mean: float, score: float) -> None:
    outline = Landmarker(find_card(card), _fake(card, mean)).outline(_frame(), _face())
    assert outline is not None
    assert outline.score == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("card", SHOWN_BOX)
def test_landmarks_stay_where_the_model_is_not_confident(card: str) -> None:
    face = _face()
    assert Landmarker(find_card(card), _fake(card, 0.3)).place(_frame(), face) is face
    assert Landmarker(find_card(card), _fake(card, 0.8)).place(_frame(), face) is not face


@pytest.mark.parametrize("card", CARDS)
def test_points_far_outside_are_not_taken(card: str) -> None:
    points = _outline()
    points[48] = (170, 30)
    face = _face()
    fake = Fake("input", _results(card, 0.8, points))
    assert Landmarker(find_card(card), fake).place(_frame(), face) is face


def test_a_dark_crop_is_brightened_first() -> None:
    dark = (_frame() // 16).astype(np.uint8)
    session = _fake("2dfan4")
    landmarker = Landmarker(find_card("2dfan4"), session)
    face = replace(_face(), box=(22.0, 39.5, 150.0, 195.0))
    landmarker.place(dark, face)
    padded = np.pad(dark, ((0, 0), (31, 0), (0, 0)), mode="edge")
    crop = np.ascontiguousarray(padded[9 : 9 + 256, :256])
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2Lab)
    assert lab[..., 0].mean() < 30
    lab[..., 0] = cv2.createCLAHE(clipLimit=2).apply(lab[..., 0].copy())
    expected = cv2.cvtColor(lab, cv2.COLOR_Lab2BGR).transpose(2, 0, 1)[None] / 255
    np.testing.assert_allclose(session.shown[0], expected, atol=1e-5)
    assert session.shown[0].mean() > 1.2 * dark.mean() / 255


@pytest.mark.parametrize("card", CARDS)
def test_outputs_that_are_no_numbers_are_an_error(card: str) -> None:
    for name in _results(card, 0.8, _outline()):
        results = _results(card, 0.8, _outline())
        results[name][0, 3] = np.nan
        with pytest.raises(BackendError, match=f"output {name} holds values that are no numbers"):
            Landmarker(find_card(card), Fake("input", results)).place(_frame(), _face())


@pytest.mark.parametrize("card", CARDS)
def test_outputs_of_another_shape_do_not_fit(card: str) -> None:
    for name in _results(card, 0.8, _outline()):
        results = _results(card, 0.8, _outline())
        results[name] = results[name][:, :67]
        with pytest.raises(ModelError, match="does not fit its card"):
            Landmarker(find_card(card), Fake("input", results)).place(_frame(), _face())


def test_landmarks_in_one_point_stay() -> None:
    face = Face(box=BOX, score=0.5, landmarks=np.full((5, 2), 9, np.float32))
    assert Landmarker(find_card("fan_68_5"), _fake("fan_68_5")).place(_frame(), face) is face
