"""Hold Ctrl-C back while foreign code runs that would lose it.

An exception that is raised in a callback from C is printed and forgotten: the work goes on, or
fails for no reason that anybody could see. So the signal waits for the end of the call.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended, however it ends.

    Only the main thread ever sees a signal; in any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number))

    # A handler that is None was not set from Python, and could not be put back.
    usual = {one: old for one in _HELD if callable(old := signal.getsignal(one))}
    for one in usual:
        signal.signal(one, note)
    try:
        yield
    finally:
        for one, handler in usual.items():
            signal.signal(one, handler)
        if came:
            usual[came[0]](came[0], None)
