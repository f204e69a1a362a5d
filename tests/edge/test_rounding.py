"""Products of pictures: to the nearest level, whatever OpenCV does on this processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from edge import rounding
from edge.rounding import product

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
@pytest.mark.parametrize("scale", [1 / 255, 1 / 576, 1.0, 0.0])
def test_every_product_is_the_nearest_level(scale: float) -> None:
    exact = np.minimum(GRID.astype(np.float64) * OTHER * scale, 255)
    found = product(GRID, OTHER, scale)
    assert found.dtype == np.uint8
    assert np.abs(found - exact).max() <= 0.5 + 1e-6


@pytest.mark.usefixtures("opencv")
def test_a_picture_that_is_kept_whole_stays_as_it_is() -> None:
    picture = np.dstack([GRID, OTHER, GRID])
    assert (product(picture, np.full_like(picture, 255), 1 / 255) == picture).all()
