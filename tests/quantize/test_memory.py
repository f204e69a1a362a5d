"""The most memory that was held."""

from __future__ import annotations

import platform
import sys

import numpy as np
import pytest

from quantize.memory import forget_peak, give_back, peak_bytes

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
def test_freed_memory_goes_back_to_the_system() -> None:
    small = [bytes(50_000) for _ in range(2000)]  # below what is mapped and unmapped by itself
    keep = small[1::100]
    del small
    give_back()
    forget_peak()
    assert keep
    low = peak_bytes()
    again = [bytes(50_000) for _ in range(2000)]
    assert peak_bytes() - low > 60 * MEGABYTE
    del again


def test_giving_back_is_harmless_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr("ctypes.CDLL", absent)
    give_back()
