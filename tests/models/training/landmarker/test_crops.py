from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.faces.align import TEMPLATES, align
from edge.records import Face
from models.training.landmarker.crops import POINTS, TEMPLATE, cut, shaken, to_crop


def test_the_template_is_the_runtimes() -> None:
    np.testing.assert_array_equal(POINTS, TEMPLATES[TEMPLATE].astype(np.float32))


@pytest.mark.parametrize("side", [40, 150, 600])
def test_a_crop_is_cut_as_the_runtime_cuts_it(side: int) -> None:
    rng = np.random.default_rng(side)
    coarse = rng.integers(0, 256, (12, 12, 3), np.uint8)
    frame = np.asarray(cv2.resize(coarse, (700, 700), interpolation=cv2.INTER_CUBIC), np.uint8)
    points = ((POINTS - 0.5) * side + 340).astype(np.float32)
    crop, matrix = cut(frame, points, 96)
    face = Face(box=(0, 0, 1, 1), score=1.0, landmarks=points)
    theirs = align(frame, face, TEMPLATE, 96)
    np.testing.assert_allclose(matrix, theirs.matrix, atol=1e-2)
    assert np.abs(crop.astype(int) - theirs.picture).mean() < 1.5


def test_the_truth_lies_where_the_crop_shows_it() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    points = ((POINTS - 0.5) * 110 + (96, 104)).astype(np.float32)
    rough = shaken(points, np.random.default_rng(4))
    for number in range(5):
        frame[:] = 0
        x, y = points[number].round().astype(int)
        cv2.circle(frame, (int(x), int(y)), 3, (255, 255, 255), -1)
        crop, matrix = cut(frame, rough, 96)
        rows, columns = np.nonzero(crop[..., 0] > 100)
        place = to_crop(points, matrix, 96)[number] * 96
        np.testing.assert_allclose((columns.mean(), rows.mean()), place, atol=1.2)


def test_shaken_points_stay_a_face_and_differ_each_time() -> None:
    rng = np.random.default_rng(2)
    points = (POINTS * 200).astype(np.float32)
    eyes = float(np.linalg.norm(points[1] - points[0]))
    errors = [
        np.linalg.norm(shaken(points, rng) - points, axis=1).mean() / eyes for _ in range(400)
    ]
    assert 0.05 < np.median(errors) < 0.16  # about what the detector errs by
    assert max(errors) < 1.5
