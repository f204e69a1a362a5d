"""The most memory that was held."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from quantize.memory import forget_peak, peak_bytes

MEGABYTE = 1 << 20


def test_a_peak_is_seen_after_it_is_over() -> None:
    forget_peak()
    before = peak_bytes()
    assert before > 4 * MEGABYTE
    block = np.ones(64 * MEGABYTE, np.uint8)
    del block
    assert peak_bytes() - before > 40 * MEGABYTE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can start a peak anew")
def test_a_peak_can_be_forgotten() -> None:
    block = np.ones(128 * MEGABYTE, np.uint8)
    high = peak_bytes()
    del block
    forget_peak()
    assert peak_bytes() < high - 64 * MEGABYTE
