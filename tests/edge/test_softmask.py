from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.softmask import feather, of_alpha, softened
from tests.edge.test_paste import SIZE, ellipse


@pytest.mark.parametrize("size", [16, 64, 128, 256])
def test_a_feathered_mask_ends_before_the_border(size: int) -> None:
    alpha = feather(np.ones((size, size), np.float32))
    edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert (edge == 0).all()
    assert alpha[size // 2, size // 2] == 1
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert np.abs(np.diff(alpha, axis=0)).max() < 0.5


@pytest.mark.parametrize("size", [20, 64, 128])
def test_a_model_without_a_mask_has_the_same_one_every_time(size: int) -> None:
    full = np.ones((size, size), np.float32)
    assert softened(full) is softened(full.copy())
    assert (softened(full).factors == of_alpha(feather(full)).factors).all()


def test_a_products_factors_leave_the_frame_what_the_mask_does_not_take() -> None:
    alpha = feather(ellipse())
    factors = of_alpha(alpha).factors.astype(int)
    assert (factors[..., :3] == factors[..., :1]).all()
    assert (factors[..., 0] + factors[..., 3] == 255).all()
    assert np.abs(factors[..., 0] / 255 - alpha).max() < 0.5 / 255 + 1e-6


def test_what_is_called_solid_is() -> None:
    soft = of_alpha(feather(ellipse()))
    assert soft.solid is not None
    left, top, width, height = soft.bounds
    across, down = soft.solid
    x, y = left + width / 2, top + height / 2
    middle = soft.factors[round(y - down) : round(y + down), round(x - across) : round(x + across)]
    assert (middle[..., 0] == 255).all()
    assert of_alpha(np.zeros((SIZE, SIZE), np.float32)).solid is None


def test_the_border_never_shows() -> None:
    factors = of_alpha(np.ones((SIZE, SIZE), np.float32)).factors[..., 0]
    assert cv2.boundingRect(factors) == (1, 1, SIZE - 2, SIZE - 2)
