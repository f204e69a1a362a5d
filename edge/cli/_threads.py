"""What `--threads` may say, for every command that has it."""

from __future__ import annotations

import argparse

from edge.threads import most_threads


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
