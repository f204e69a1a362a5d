"""Against the truth: both models are judged in the same places, clipped as they are shown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from quantize.errors import MeasureError
from quantize.truth import score_truth
from tests.quantize.measured import contract

SHAPE = (1, 3, 16, 16)


def _flat(value: float) -> NDArray[np.float32]:
    return np.full(SHAPE, value, np.float32)


def test_model_and_float_model_are_compared_with_the_truth() -> None:
    truths = [_flat(0.5), _flat(0.5)]
    got = [{"output": _flat(0.6)}, {"output": _flat(0.6)}]
    wanted = [{"output": _flat(0.51)}, {"output": _flat(0.51)}]
    scores = score_truth(got, wanted, truths, contract())
    assert scores.psnr == pytest.approx(20, abs=1e-3)
    assert scores.reference_psnr == pytest.approx(40, abs=1e-3)
    assert scores.loss == pytest.approx(20, abs=1e-3)
    assert (scores.identity, scores.reference_identity, scores.masked) == (None, None, False)


def test_only_what_the_float_models_mask_shows_counts() -> None:
    left = np.zeros((1, 1, 16, 16), np.float32)
    left[..., :8] = 1
    wrong_right = _flat(0.5)
    wrong_right[..., 8:] = 1
    wanted = [{"output": _flat(0.5), "mask": left}]
    got = [{"output": wrong_right, "mask": 1 - left}]
    scores = score_truth(got, wanted, [_flat(0.5)], contract(mask="mask"))
    assert scores.masked
    assert scores.psnr == 99


def test_values_beyond_white_are_no_error() -> None:
    scores = score_truth(
        [{"output": _flat(1.4)}], [{"output": _flat(1.0)}], [_flat(1.0)], contract()
    )
    assert scores.psnr == 99


def test_identity_is_judged_for_both() -> None:
    def embed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        angle = float(picture.mean())
        return np.array([math.cos(angle), math.sin(angle)], np.float32)

    scores = score_truth(
        [{"output": _flat(0.9)}], [{"output": _flat(0.6)}], [_flat(0.5)], contract(), embed=embed
    )
    assert scores.identity == pytest.approx(math.cos(0.4), abs=1e-5)
    assert scores.reference_identity == pytest.approx(math.cos(0.1), abs=1e-5)


def test_what_does_not_belong_together_is_refused() -> None:
    one = [{"output": _flat(0.5)}]
    with pytest.raises(MeasureError, match="do not belong together"):
        score_truth(one, one, [], contract())
    with pytest.raises(MeasureError, match="a truth has the shape"):
        score_truth(one, one, [_flat(0.5)[..., :8]], contract())
