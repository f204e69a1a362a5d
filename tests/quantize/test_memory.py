"""The most memory that was held.

Each measurement runs in a process of its own: what other tests left in this one's heap (free
blocks, an allocator that another library set up) decides what it holds, not what is tested.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from quantize import memory
from quantize.memory import give_back

MEGABYTE = 1 << 20
_BEGINNING = """
import json
import mmap
from quantize.memory import forget_peak, give_back, peak_bytes
MEGABYTE = 1 << 20
def hold(size):
    block = mmap.mmap(-1, size)
    for start in range(0, size, mmap.PAGESIZE):
        block[start] = 1
    return block
"""


def _may_forget() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _measured(program: str) -> dict[str, int]:
    run = subprocess.run(
        [sys.executable, "-c", _BEGINNING + program], capture_output=True, text=True, check=True
    )
    figures: dict[str, int] = json.loads(run.stdout)
    return figures


def test_a_peak_is_seen_after_it_is_over() -> None:
    peaks = _measured(
        "before = peak_bytes()\n"
        "hold(64 * MEGABYTE).close()\n"
        "print(json.dumps({'before': before, 'after': peak_bytes()}))"
    )
    assert peaks["before"] > 4 * MEGABYTE
    assert peaks["after"] - peaks["before"] > 40 * MEGABYTE


@pytest.mark.skipif(not _may_forget(), reason="this system cannot start a peak anew")
def test_a_peak_can_be_forgotten() -> None:
    peaks = _measured(
        "hold(128 * MEGABYTE).close()\n"
        "high = peak_bytes()\n"
        "forget_peak()\n"
        "print(json.dumps({'high': high, 'low': peak_bytes()}))"
    )
    assert peaks["low"] < peaks["high"] - 64 * MEGABYTE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
@pytest.mark.skipif(not _may_forget(), reason="this system cannot start a peak anew")
def test_freed_memory_goes_back_to_the_system() -> None:
    peaks = _measured(
        "small = [bytes(50_000) for _ in range(2000)]\n"  # below what is mapped by itself
        "keep = small[1::100]\n"
        "del small\n"
        "give_back()\n"
        "forget_peak()\n"
        "low = peak_bytes()\n"
        "again = [bytes(50_000) for _ in range(2000)]\n"
        "print(json.dumps({'kept': len(keep), 'low': low, 'high': peak_bytes()}))"
    )
    assert peaks["high"] - peaks["low"] > 60 * MEGABYTE


def test_giving_back_is_harmless_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr("ctypes.CDLL", absent)
    give_back()


@pytest.mark.parametrize(("size", "times"), [(1 << 20, 0), (31 << 20, 0), (32 << 20, 1)])
def test_little_is_not_looked_for(size: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(memory, "give_back", lambda: given.append(1))
    memory.give_back_after(size)
    assert len(given) == times
