"""Decoding raw outputs and suppressing overlaps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from models.training.detector.assign import STRIDES
from models.training.detector.decode import Found, decode, suppressed


def outputs(height: int, width: int) -> dict[str, np.ndarray]:
    raw = {}
    for stride in STRIDES:
        cells = (height // stride) * (width // stride)
        for kind, depth in (("score", 1), ("bbox", 4), ("kps", 10)):
            raw[f"{kind}_{stride}"] = np.zeros((1, cells, depth), np.float32)
    return raw


def test_a_cell_is_decoded_where_it_lies() -> None:
    raw = outputs(64, 96)
    raw["score_16"][0, 6 * 2 + 3] = 0.9
    raw["bbox_16"][0, 6 * 2 + 3] = [0.5, 0.25, np.log(2), np.log(3)]
    raw["kps_16"][0, 6 * 2 + 3] = np.arange(10) / 10

    found = decode(raw, 96, 0.5)

    assert found.boxes[0] == pytest.approx([56 - 16, 36 - 24, 32, 48])
    assert found.points[0, 0] == pytest.approx([48, 33.6])
    assert found.points[0, 4] == pytest.approx([60.8, 46.4])
    assert found.scores.tolist() == pytest.approx([0.9])


def test_the_best_of_overlapping_faces_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 10, 10]], np.float32)
    scores = np.array([0.6, 0.9, 0.5], np.float32)
    found = Found(boxes, scores, np.zeros((3, 5, 2), np.float32))

    assert suppressed(found).boxes[:, 0].tolist() == [1, 50]


def test_nothing_found_stays_nothing() -> None:
    assert len(suppressed(decode(outputs(64, 64), 64, 0.5)).scores) == 0
