from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import PhotoError
from edge.faces import quality
from edge.faces.align import TEMPLATES
from edge.faces.quality import check_photo, measure
from edge.records import Face


def _photo(side: int = 200, seed: int = 0) -> tuple[NDArray[np.uint8], Face]:
    """Return a picture with detail at the scale of a face's, and a frontal face in it."""
    noise = np.random.default_rng(seed).integers(0, 256, (400, 400, 3)).astype(np.float32)
    sigma = side / 112 * 1.2
    soft = cv2.GaussianBlur(noise, (0, 0), sigma)
    shade = np.linspace(-80, 80, 400, dtype=np.float32)[:, None, None]
    frame = np.clip((soft - 128) * 1.4 * sigma + 128 + shade, 0, 255).astype(np.uint8)
    corner = (400 - side) / 2
    points = (TEMPLATES["arcface_112_v2"] * side + corner).astype(np.float32)
    width = side * 0.8
    box = (corner + side * 0.1, corner, width, side * 1.1)
    return frame, Face(box=box, score=0.9, landmarks=points)


def test_a_good_photo_passes_and_says_what_was_measured() -> None:
    found = check_photo(*_photo(), name="a.jpg")
    assert found.side == pytest.approx(160)
    assert found.eyes == pytest.approx(200 * 0.3146, abs=0.1)
    assert abs(found.turn) < 0.01
    assert 0.45 < found.tilt < 0.6
    assert found.sharpness > quality.MIN_SHARPNESS


def _blurred(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    return cv2.GaussianBlur(frame, (0, 0), 9).astype(np.uint8), face


def _dark(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    return (frame // 10), face


def _bright(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    return (235 + frame // 13).astype(np.uint8), face


def _flat(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    return (120 + frame // 40).astype(np.uint8), face


def _turned(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    points = face.landmarks.copy()
    points[2, 0] = points[1, 0]
    return frame, replace(face, landmarks=points)


def _looking_up(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    points = face.landmarks.copy()
    points[2, 1] = points[0, 1]
    return frame, replace(face, landmarks=points)


def _narrow(frame: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    points = (face.landmarks - 200) * 0.3 + 200
    return frame, replace(face, landmarks=points.astype(np.float32))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_blurred, r"is blurred \(sharpness 0\.0\d+, at least 0\.012\): hold still"),
        (_dark, r"too dark \(mean grey \d+, at least 35\): add light"),
        (_bright, r"too bright \(mean grey \d+, at most 225\)"),
        (_flat, r"no contrast \(\d+, at least 8\)"),
        (_turned, r"turned to the side \(0\.50, at most 0\.45\): look towards"),
        (_looking_up, r"looks up or down"),
        (_narrow, r"the eyes are 19 px apart where 24 are needed"),
    ],
)
def test_a_poor_photo_is_refused_with_the_reason(spoil: object, words: str) -> None:
    assert callable(spoil)
    frame, face = spoil(*_photo())
    with pytest.raises(PhotoError, match=words) as caught:
        check_photo(frame, face, "poor.jpg")
    assert str(caught.value).startswith("poor.jpg: ")
    assert "\n" not in str(caught.value)


def test_a_small_face_is_refused() -> None:
    with pytest.raises(PhotoError, match="the face is 64 px where 80 are needed"):
        check_photo(*_photo(side=80), name="small.jpg")


@pytest.mark.parametrize("degrees", [-40, 25, 90])
def test_a_face_that_leans_is_not_a_face_that_turns(degrees: float) -> None:
    frame, face = _photo()
    turn = cv2.getRotationMatrix2D((200, 200), degrees, 1)
    points = face.landmarks @ turn[:, :2].T + turn[:, 2]
    leaning = replace(face, landmarks=points.astype(np.float32))
    upright = measure(frame, face)
    found = measure(frame, leaning)
    assert found.turn == pytest.approx(upright.turn, abs=1e-3)
    assert found.tilt == pytest.approx(upright.tilt, abs=1e-3)


def test_landmarks_on_a_line_are_measured_without_a_warning() -> None:
    frame, face = _photo()
    points = np.stack([np.full(5, 200.0), np.arange(180, 230, 10)], axis=1).astype(np.float32)
    with pytest.raises(PhotoError):
        check_photo(frame, replace(face, landmarks=points), "line.jpg")
