"""Keep the C libraries behind OpenCV and LiteRT from writing on the user's terminal."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

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
    with _captured(2) as text:
        yield text


@contextmanager
def captured_stdout() -> Iterator[Callable[[], str]]:
    """Take what MNN prints on standard output, where JSON for a machine may be expected.

    As `captured_stderr`, for file descriptor 1. C buffers that stream, so it is emptied before and
    after.
    """
    with _captured(1) as text:
        yield text


@contextmanager
def _captured(stream: int) -> Iterator[Callable[[], str]]:
    with _LOCK:
        try:
            kept = os.dup(stream)
        except OSError:  # a daemon without it: nothing to keep quiet
            yield lambda: ""
            return
        try:
            with _nameless() as file:
                _flush()
                os.dup2(file.fileno(), stream)
                try:
                    yield lambda: _text(file.fileno())
                finally:
                    _flush()
                    os.dup2(kept, stream)
        finally:
            os.close(kept)


def _nameless() -> IO[bytes]:
    """Return a file without a name: in memory where the system can, so that no disk is needed."""
    if hasattr(os, "memfd_create"):
        with suppress(OSError):
            return open(os.memfd_create("captured", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def _text(file: int) -> str:
    _flush()
    return os.pread(file, _ENOUGH, 0).decode("utf-8", "replace")


def _flush() -> None:
    """Empty the buffers of Python's and of C's streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, closed, or a broken pipe
            stream.flush()
    ctypes.CDLL(None).fflush(None)
