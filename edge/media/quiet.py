"""Keep the C libraries behind OpenCV and LiteRT from writing on the user's terminal."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_ENOUGH = 4096


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Take what libjpeg and libpng print while they decode, and LiteRT while it opens a model.

    They write to file descriptor 2 themselves, past `sys.stderr`; the descriptor is turned to a
    nameless temporary file for as long as the block runs. Lines that other threads write in these
    milliseconds are taken too.

    Yields:
        A function that returns the text taken so far, its first 4096 bytes.
    """
    with _LOCK:
        try:
            kept = os.dup(2)
        except OSError:  # a daemon without standard error: nothing to keep quiet
            yield lambda: ""
            return
        try:
            with tempfile.TemporaryFile() as file:
                os.dup2(file.fileno(), 2)
                try:
                    yield lambda: os.pread(file.fileno(), _ENOUGH, 0).decode("utf-8", "replace")
                finally:
                    os.dup2(kept, 2)
        finally:
            os.close(kept)
