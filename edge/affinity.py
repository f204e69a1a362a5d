"""Which cores are of which kind, and threads that stay on some of them.

On processors with cores of several kinds (a phone's, a Rockchip's) an engine that waits for its
slowest thread is best kept on the fast ones. Where all cores are alike there is nothing to choose:
the system moves threads as it should.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["cores_here", "fast_cores", "pinned"]

_TELLING = ("cpu_capacity", "cpufreq/cpuinfo_max_freq")  # of ARM's kernel; of every other
_ALIKE = 0.9  # of the fastest: boost clocks of one kind differ by a few percent


def cores_here() -> frozenset[int]:
    """Return the numbers of the cores that this thread may use; empty where that is not told."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def fast_cores(root: Path = Path("/")) -> tuple[int, ...]:
    """Return the fast ones of this thread's cores; empty where all are alike, or nothing is told.

    Args:
        root: Where the kernel's files hang; another one only in tests.
    """
    here = sorted(cores_here())
    folder = root / "sys/devices/system/cpu"
    for file in _TELLING:
        speeds = {}
        for core in here:
            with suppress(OSError, ValueError):
                speeds[core] = int((folder / f"cpu{core}" / file).read_text(encoding="ascii"))
        if speeds and len(speeds) == len(here):
            least = _ALIKE * max(speeds.values())
            fast = tuple(core for core in here if speeds[core] >= least)
            if len(fast) < len(here):
                return fast
    return ()


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this thread, and threads that it starts meanwhile, on some cores.

    Args:
        cores: Their numbers; none, or none that this thread may use, changes nothing.
    """
    before = cores_here()
    wanted = before.intersection(cores)
    if not wanted:
        yield
        return
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
