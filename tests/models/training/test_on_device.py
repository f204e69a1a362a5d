"""Crops cut in batches are those that are cut one by one."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.crops import TEMPLATES, crop_matrix, jittered, warp
from models.training.on_device import (
    Pictures,
    best_device,
    errors_of,
    eye_distances,
    similarities,
)

GOAL = TEMPLATES["arcface_128"]


class Shelf(SimpleNamespace):
    def ready(self) -> Any:
        return np.flatnonzero(np.asarray(self.done))


def store(count: int = 3, side: int = 40) -> Any:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    pictures = np.stack([cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in noise])
    landmarks = np.stack([jittered(GOAL * side, 0.05, rng) for _ in range(count)])
    done = np.array([1, 0, 1], np.uint8)
    return Shelf(
        pictures=pictures, masks=pictures[..., 0].copy(), landmarks=landmarks, done=done, side=side
    )


def test_similarities_are_those_of_one() -> None:
    landmarks = store().landmarks
    found = similarities(landmarks, GOAL * 32)
    for matrix, points in zip(found, landmarks, strict=True):
        np.testing.assert_allclose(matrix, crop_matrix(points, "arcface_128", 32), atol=1e-4)


def test_crops_are_those_of_one() -> None:
    shelf = store()
    pictures = Pictures(shelf, best_device("cpu"))
    matrices = similarities(shelf.landmarks, GOAL * 32)
    crops, masks = pictures.crops(np.array([2, 0]), matrices[[2, 0]], 32)
    for place, index in enumerate((2, 0)):
        wanted = warp(shelf.pictures[index], matrices[index], 32).astype(float)
        found = crops[place].permute(1, 2, 0).numpy()[..., ::-1] * 255.0
        np.testing.assert_allclose(found, wanted, atol=4.0)  # OpenCV interpolates in 1/32 pixels
        wanted = warp(shelf.masks[index], matrices[index], 32).astype(float)
        np.testing.assert_allclose(masks[place, 0].numpy() * 255.0, wanted, atol=4.0)


def test_what_is_rendered_later_is_taken_in() -> None:
    shelf = store()
    pictures = Pictures(shelf, best_device("cpu"))
    assert pictures.ready.tolist() == [0, 2]
    shelf.done[1] = 1
    assert pictures.refresh().tolist() == [1]
    assert pictures.ready.tolist() == [0, 1, 2]


def test_errors_grow_with_the_face() -> None:
    points = np.stack([GOAL * 100, GOAL * 400]).repeat(200, axis=0)
    reach = eye_distances(points)
    assert reach[-1] == pytest.approx(4 * reach[0], rel=1e-4)
    errors = np.abs(errors_of(points, 0.05, np.random.default_rng(2))).mean(axis=(1, 2))
    assert errors[200:].mean() == pytest.approx(4 * errors[:200].mean(), rel=0.3)
