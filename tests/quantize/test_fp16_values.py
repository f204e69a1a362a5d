"""Which numbers half precision cannot hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.calibrate import Ranges
from quantize.calibration.observe import BINS
from quantize.fp16_values import (
    SMALLEST_NORMAL,
    activation_trouble,
    overflow_trouble,
    weight_trouble,
)


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (np.linspace(-2, 2, 64), ""),
        (np.full(64, 7e4), "reaches 7e+04"),
        (np.full(64, -1e-8), "would become 0 for 100%"),
        (np.r_[np.full(40, 1e-9), np.full(24, 1.0)], "would become 0 for 62%"),
        (np.linspace(1e-6, 2e-6, 64), "loses digits"),
        (np.r_[np.zeros(40), np.full(24, 1.0)], ""),
        (np.r_[np.full(24, 1e-7), np.full(40, 1.0)], ""),
        (np.r_[np.full(1, np.inf), np.full(63, 1.0)], ""),
        (np.zeros((2, 2)), ""),
        (np.zeros(0), ""),
        (np.full((), 1e-8), "would become 0"),
    ],
)
def test_weights(weight: np.ndarray, reason: str) -> None:
    found = weight_trouble(weight.astype(np.float32))
    assert reason in found
    assert bool(found) == bool(reason)


def test_infinite_values_do_not_overflow() -> None:
    assert overflow_trouble(np.array([-np.inf, 3.0, np.inf], np.float32)) == ""
    assert overflow_trouble(np.array([-65505.0], np.float32)) != ""
    assert overflow_trouble(np.array([65504.0], np.float32)) == ""


@given(scale=st.integers(-30, 15), rest=st.integers(0, 300))
def test_what_is_let_through_keeps_its_digits(scale: int, rest: int) -> None:
    rng = np.random.default_rng(rest)
    weight = np.r_[np.zeros(rest), rng.standard_normal(64) * 2.0**scale].astype(np.float32)
    with np.errstate(over="ignore"):
        lost = weight - weight.astype(np.float16).astype(np.float32)
    noise = float(np.square(lost, dtype=np.float64).sum())
    clean = noise * 1e6 <= float(np.square(weight, dtype=np.float64).sum())
    assert bool(weight_trouble(weight)) == (not clean)


def _seen(values: np.ndarray) -> Ranges:
    edge = float(2.0 ** np.ceil(np.log2(max(float(np.abs(values).max()), 1e-30)) + 1e-9))
    counts, _ = np.histogram(values, bins=BINS, range=(-edge, edge))
    minmax = {"x": (float(values.min()), float(values.max()))}
    return Ranges(minmax, {"x": (counts.astype(np.int64), edge)})


def test_what_was_not_measured_is_in_no_trouble() -> None:
    assert activation_trouble(Ranges({}, {}), "x") == ""
    assert activation_trouble(Ranges({"x": (0.0, 2e4)}, {}), "x") != ""


@given(scale=st.floats(-30, 20), zeros=st.integers(0, 400), sign=st.sampled_from([-1, 1]))
def test_activations(scale: float, zeros: int, sign: int) -> None:
    values = np.r_[np.zeros(zeros), sign * np.linspace(0.5, 1, 64) * 2.0**scale]
    trouble = activation_trouble(_seen(values.astype(np.float32)), "x")
    peak = 2.0**scale
    if peak > 65504 / 4 * 1.001:
        assert "reaches" in trouble
    elif peak < SMALLEST_NORMAL * 0.999:
        assert "mostly below" in trouble
    elif SMALLEST_NORMAL * 2.01 < peak < 65504 / 4:
        assert trouble == ""
