"""Swappers that know the truth but for its finest: the finer they know it, the better they are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.swapper.bounds import MAKERS, Maker, bound, coarse_alone, fine_of_target
from models.training.swapper.judged import Case


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_what_is_finer_is_the_targets_or_missing() -> None:
    target, truth = noise(1), np.full((32, 32, 3), 90, np.uint8)
    grey = np.full((32, 32, 3), 140, np.uint8)
    assert np.array_equal(coarse_alone(target, truth, 2.0), truth)
    # Where target and truth differ evenly, the target's grain stays and its level goes.
    made = fine_of_target(np.clip(target, 60, 200), np.clip(target, 60, 200) - 20, 2.0)
    np.testing.assert_allclose(made, np.clip(target, 60, 200).astype(int) - 20, atol=1)
    assert np.array_equal(fine_of_target(grey, truth, 2.0), truth)


@pytest.mark.parametrize("make", MAKERS.values())
def test_who_knows_more_is_better(make: Maker) -> None:
    face = np.ones((32, 32), bool)
    nobody = np.zeros(512, np.float32)
    cases = [Case(noise(1), noise(2), face, nobody, nobody, noise(3))]
    seen = np.full((32, 32), 255, np.uint8)
    frames = tuple((noise(4 + k), noise(7 + k), seen) for k in range(3))
    sharp, soft = (bound(make, blur, cases, frames) for blur in (0.5, 3.0))
    assert sharp["psnr"] > soft["psnr"] + 1.0
    assert sharp["ssim"] > soft["ssim"]
    assert sharp["error_change"] < soft["error_change"]
