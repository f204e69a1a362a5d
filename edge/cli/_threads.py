"""What `--threads` may say, for every command that has it.

An engine starts as many threads as it is told to: a hundred thousand would take the machine down
before anybody could stop them.
"""

from __future__ import annotations

import argparse
import os

_ALWAYS = 64
"""Threads that may be asked for on any machine; the most that a tuning file may state, too."""

_PER_CORE = 4
"""Threads for each core that may be asked for, where that is more."""


def most_threads() -> int:
    """Return how many threads an engine may be told to start on this machine."""
    return max(_ALWAYS, _PER_CORE * (os.cpu_count() or 1))


def threads_or_choice(text: str) -> int:
    """Return a number of threads, for `argparse`; 0 leaves it to the engine.

    Raises:
        ArgumentTypeError: It is none, or more than any engine should start here.
    """
    return _from(0, text)


def one_thread_or_more(text: str) -> int:
    """Return a number of threads, for `argparse`, where 0 would mean nothing.

    Raises:
        ArgumentTypeError: It is none, or more than any engine should start here.
    """
    return _from(1, text)


def _from(least: int, text: str) -> int:
    most = most_threads()
    plain = text.isascii() and text.isdigit() and len(text) <= 9
    if not plain or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of threads from {least} to {most}")
    return int(text)
