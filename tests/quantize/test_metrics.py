"""The figures of quality: those that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from quantize.metrics import MASK_ALLOWANCE, MOST_PSNR, joint, mask_psnr, psnr, ssim

SHAPE = (1, 3, 16, 16)


def _picture(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("decibels", [10.0, 30.0, 60.0])
def test_psnr_of_a_constant_difference(decibels: float) -> None:
    picture = _picture().astype(np.float64)
    assert psnr(picture + 10 ** (-decibels / 20), picture) == pytest.approx(decibels)


def test_psnr_is_capped_for_equal_pictures() -> None:
    assert psnr(_picture(), _picture()) == MOST_PSNR
    assert psnr(_picture() + 1e-7, _picture()) == MOST_PSNR


def test_psnr_looks_where_the_weights_are() -> None:
    reference = np.zeros(SHAPE)
    picture = reference.copy()
    picture[..., :8] = 0.1  # the left half is wrong
    left = np.zeros((1, 1, 16, 16))
    left[..., :8] = 1
    assert psnr(picture, reference, left) == pytest.approx(20)
    assert psnr(picture, reference, 1 - left) == MOST_PSNR
    assert psnr(picture, reference) == pytest.approx(20 + 10 * math.log10(2))
    assert psnr(picture, reference, np.zeros((1, 1, 16, 16))) == MOST_PSNR


@given(st.integers(0, 1000), st.floats(0.001, 0.5))
def test_psnr_falls_with_more_noise(seed: int, amount: float) -> None:
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    reference = _picture(seed)
    assert psnr(reference + noise * amount * 2, reference) == pytest.approx(
        psnr(reference + noise * amount, reference) - 20 * math.log10(2), abs=1e-3
    )


def test_ssim_of_equal_and_of_unlike_pictures() -> None:
    assert ssim(_picture(), _picture()) == pytest.approx(1)
    assert ssim(_picture(1), _picture(2)) < 0.2


def test_ssim_follows_the_formula_where_both_are_flat() -> None:
    # Without variance only luminance is left: (2ab + c1) / (a2 + b2 + c1), c1 = 0.01 squared.
    a, b, c1 = 0.4, 0.6, 1e-4
    flat = ssim(np.full(SHAPE, a), np.full(SHAPE, b))
    assert flat == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-6)


@pytest.mark.parametrize("side", [1, 2, 5, 10, 11])
def test_ssim_of_a_picture_smaller_than_its_window(side: int) -> None:
    picture = _picture(3, (1, 3, side, 20))
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(picture, 1 - picture) < 0.9


def test_a_sample_counts_as_what_is_further_off() -> None:
    assert joint(40, None) == 40
    assert joint(40, 36) == 40
    assert joint(40, 20) == 20 + MASK_ALLOWANCE


def test_what_is_no_mask_is_measured_by_its_own_span() -> None:
    depth = np.linspace(0, 1000, 256).reshape(1, 1, 16, 16)
    assert mask_psnr({"m": depth + 1}, {"m": depth}, "m") == pytest.approx(60)
    assert mask_psnr({"m": depth}, {"m": depth}, None) is None
