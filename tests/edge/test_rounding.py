"""Steps that come out alike on every processor: what they are, as far as one processor can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from edge import rounding
from edge.rounding import _gaussian, blurred, placed, product, transformed, warp

GRID = np.arange(256, dtype=np.uint8)[None].repeat(256, axis=0)
OTHER = np.ascontiguousarray(GRID.T)


@pytest.fixture(params=["as it is here", "cut off, as on ARM"])
def opencv(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenCV's product with a scale, rounded or cut off."""
    real: Callable[..., Any] = cv2.multiply

    def cut(one: Any, other: Any, scale: float = 1.0, dtype: int = -1) -> Any:
        if scale == 1.0:
            return real(one, other, dtype=dtype)
        exact = one.astype(np.float32) * other.astype(np.float32) * np.float32(scale)
        return np.clip(exact, 0, 255).astype(np.uint8)

    if request.param != "as it is here":
        monkeypatch.setattr(cv2, "multiply", cut)
    rounding._opencv_rounds.cache_clear()
    yield
    rounding._opencv_rounds.cache_clear()


@pytest.mark.usefixtures("opencv")
@pytest.mark.parametrize("divisor", [255, 575, 1, 65535])
def test_every_product_is_the_nearest_level(divisor: int) -> None:
    exact = np.minimum(GRID.astype(np.float64) * OTHER / divisor, 255)
    found = product(GRID, OTHER, divisor)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.floor(exact + 0.5))


@pytest.mark.usefixtures("opencv")
def test_a_picture_that_is_kept_whole_stays_as_it_is() -> None:
    picture = np.dstack([GRID, OTHER, GRID])
    assert (product(picture, np.full_like(picture, 255), 255) == picture).all()


@pytest.mark.parametrize("width", [1, 31, 32, 100])
@pytest.mark.parametrize("flags", [cv2.INTER_LINEAR, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP])
def test_a_warp_is_that_of_a_wider_picture(width: int, flags: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    matrix = np.array([[1.3, 0.2, -4.5], [-0.2, 1.3, 2.25]])
    found = warp(picture, matrix, (width, 20), flags, cv2.BORDER_CONSTANT, (9, 8, 7))
    whole = cv2.warpAffine(
        picture,
        matrix,
        (128, 20),
        flags=flags,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(9, 8, 7),
    )
    assert found.shape == (20, width, 3)
    assert np.array_equal(found, whole[:, :width])


def test_points_go_through_a_map() -> None:
    matrix = np.array([[0.0, -2.0, 10.0], [2.0, 0.0, 1.0]])
    found = transformed(matrix, np.array([[1, 2], [0, 0]], np.float32))
    assert found.dtype == np.float64
    assert found.tolist() == [[6, 3], [10, 1]]


@pytest.mark.parametrize("side", [1, 2, 9, 32])
def test_a_blur_is_exact_and_that_of_opencv(side: int) -> None:
    planes = np.random.default_rng(2).integers(-200_000, 200_000, (side, side, 4))
    found = blurred(planes.transpose(2, 0, 1).astype(np.float32), 3.0).transpose(1, 2, 0)
    assert np.array_equal(found, np.rint(found))
    exact = sum(  # the same in Python's own whole numbers, which have no end
        (row.astype(object)[:, None, None] * column)
        for row, column in zip(
            _gaussian(side, 3.0).astype(np.int64).T,
            np.einsum("ij,kjc->kic", _gaussian(side, 3.0).astype(np.int64), planes),
            strict=True,
        )
    )
    assert np.array_equal(found, exact.astype(np.float64))
    right = cv2.GaussianBlur(planes.astype(np.float64), (19, 19), 3.0).reshape(planes.shape)
    if side > 9:  # where the border is mirrored once
        assert np.abs(found / 4096.0**2 - right).max() < 0.002 * np.abs(planes).max()


def test_places_are_sixteenths_of_a_pixel() -> None:
    given = np.array([[10.03, -4.96875], [1e6 + 0.04, 0.031]])
    found = placed(given)
    assert found.dtype == np.float32
    assert found.tolist() == [[10.0, -5.0], [1e6 + 0.0625, 0.0]]
    noise = np.random.default_rng(3).normal(0, 1e-4, (1000, 5, 2))
    points = np.random.default_rng(4).uniform(0, 4000, (1000, 5, 2))
    alike = (placed(points) == placed(points + noise)).all(axis=(1, 2))
    assert alike.mean() > 0.97
