"""How much memory this process has held at most."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from pathlib import Path

__all__ = ["forget_peak", "give_back", "give_back_after", "peak_bytes"]

_PROC = Path("/proc/self")
_WORTH = (
    32 << 20
)  # bytes of a model; looking through all objects of the process takes 20 ms and more
_FORGET_PEAK = "5"  # what Linux takes for "start the high-water mark anew"


def forget_peak() -> None:
    """Start anew: `peak_bytes` counts from here on, where the system can do that (Linux)."""
    with contextlib.suppress(OSError):
        (_PROC / "clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def give_back() -> None:
    """Return freed memory to the system, where the C library can do that (glibc).

    Models of half a gigabyte are taken apart between the steps of a conversion. What they leave
    behind is free, but the process would hold it while the next engine asks for as much again.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_back_after(size: int) -> None:
    """Do the same behind a step of work on a model of `size` bytes, if that is worth the time."""
    if size >= _WORTH:
        give_back()


def peak_bytes() -> int:
    """Return the most main memory that this process has held at once, in bytes."""
    with contextlib.suppress(OSError):
        for line in (_PROC / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
