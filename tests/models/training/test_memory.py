"""Memory that a trainer frees stays with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FAULTS = """
import ctypes, resource, sys
from models.training.memory import keep_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
kept = keep_memory() if sys.argv[1] == "keep" else False
def used():
    size = 64 << 20
    piece = libc.malloc(ctypes.c_size_t(size))
    ctypes.memset(piece, 1, size)
    libc.free(ctypes.c_void_p(piece))
used()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    used()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kept, count = done.stdout.split()
    return kept == "1", int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is Linux's")
def test_pages_are_not_asked_for_anew() -> None:
    _, usual = faults("no")
    kept, now = faults("keep")
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert now < usual / 10
