"""How much a child may take before it is stopped: memory, time, files."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

MEMORY = 4 << 30
"""Bytes of address space beyond what the child starts with. The greatest picture that is read, 64
megapixels, takes about half of it to verify."""

SECONDS = 120.0
"""Beside the time for the file's size. A Raspberry Pi needs about ten for a large photograph."""

BYTES_PER_SECOND = 2_000_000
"""A file gets so many bytes' worth of time: an old memory card reads ten times as fast."""

FILES = 256
"""Open files at once."""

WRITTEN = 64 << 20
"""Bytes of one file that is written: what a decoder says goes into a nameless file in memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may take.

    Attributes:
        memory: Bytes of address space beyond what it starts with; 0 sets no limit.
        seconds: From its start to its answer; 0 sets no limit.
        files: Open files at once.
        written: Bytes of one file; 0 sets no limit.
    """

    memory: int = MEMORY
    seconds: float = SECONDS
    files: int = FILES
    written: int = WRITTEN

    def apply(self) -> None:
        """Set the limits on this process, and ask to be the first to go when memory is short.

        Raises:
            OSError: The system refuses.
        """
        import resource  # not on every platform; where it lacks, so do the limits

        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, self.files)
        if self.written:
            _lower(resource.RLIMIT_FSIZE, self.written)
        if self.memory:
            _lower(resource.RLIMIT_AS, _address_space() + self.memory)
        if self.seconds:
            # The parent watches the clock; this is for a parent that was killed meanwhile.
            _lower(resource.RLIMIT_CPU, math.ceil(self.seconds * (os.cpu_count() or 1)))
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("1000")
        except OSError:
            pass  # no Linux: nothing to ask


def time_for(size: int, seconds: float = SECONDS) -> float:
    """Return the seconds that a file of `size` bytes gets."""
    return seconds + size / BYTES_PER_SECOND


def _lower(which: int, value: int) -> None:
    import resource

    soft, hard = resource.getrlimit(which)
    for present in (soft, hard):
        if present != resource.RLIM_INFINITY:
            value = min(value, present)
    resource.setrlimit(which, (value, value))


def _address_space() -> int:
    """Return this process's size in bytes, as RLIMIT_AS counts it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 1 << 30
