"""A photometric change is one change: the same for every picture that it is applied to."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from models.training.photometric import occluded, sample_photometric


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_same_change_gives_same_pixels(picture: np.ndarray) -> None:
    for seed in range(20):
        change = sample_photometric(np.random.default_rng(seed))
        before = picture.copy()
        np.testing.assert_array_equal(change(picture), change(picture))
        np.testing.assert_array_equal(picture, before)


def test_changes_keep_shape_and_kind(picture: np.ndarray) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        out = occluded(sample_photometric(rng)(picture), rng)
        assert out.shape == picture.shape
        assert out.dtype == np.uint8


def test_no_strength_is_nearly_no_change(picture: np.ndarray) -> None:
    out = sample_photometric(np.random.default_rng(1), strength=0.0)(picture)
    assert np.abs(out.astype(int) - picture).max() <= 1


@pytest.mark.parametrize("side", [128, 256, 700])
def test_there_is_noise_for_pictures_of_any_size(side: int) -> None:
    grey = np.full((side, side, 3), 128, np.uint8)
    change = replace(
        sample_photometric(np.random.default_rng(1), strength=0.0),
        noise=8.0,
        noise_from=(1 << 20) - 1,
    )
    assert change(grey).std() == pytest.approx(8.0, rel=0.05)
