"""How many threads an engine may be told to start.

It starts as many as it is told to: a hundred thousand would take the machine down before anybody
could stop them.
"""

from __future__ import annotations

import os

ALWAYS = 64
"""Threads that may be asked for on any machine; the most that a tuning file may state, too
(docs/spec/bundle-1.md)."""

_PER_CORE = 4
"""Threads for each core that may be asked for, where that is more."""


def most_threads() -> int:
    """Return how many threads an engine may be told to start on this machine."""
    return max(ALWAYS, _PER_CORE * (os.cpu_count() or 1))
