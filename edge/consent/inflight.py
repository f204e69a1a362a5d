"""Hints beside a ledger: which outputs are being made now, and how far recovery has looked."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import last_line
from edge.consent.storage import make_private_dir


class Inflight:
    """Locks on the outputs that are being made.

    Each open output holds a lock on a small file of its own. When its process dies, however it
    dies, the lock goes, and recovery knows that nobody else will close the entry.

    Args:
        folder: Where the small files lie; made at first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, int] = {}

    def hold(self, seq: int) -> None:
        """Say that this process is making the output of entry `seq`.

        Raises:
            OSError: The lock cannot be taken.
            OutputError: The folder cannot be made.
        """
        make_private_dir(self._folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        handle = os.open(self._folder / str(seq), flags, 0o600)
        self._held[seq] = handle
        fcntl.flock(handle, fcntl.LOCK_EX)

    def release(self, seq: int) -> None:
        """Say that nobody is making the output of entry `seq` any more."""
        with contextlib.suppress(OSError):
            (self._folder / str(seq)).unlink()
        handle = self._held.pop(seq, None)
        if handle is not None:
            os.close(handle)

    def is_alive(self, seq: int) -> bool:
        """Return whether a living process is making the output of entry `seq`."""
        try:
            handle = os.open(self._folder / str(seq), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False


def read_mark(mark: Path, ledger: Path) -> int:
    """Return the byte of the ledger up to which every output is closed.

    The mark is a hint: where it is absent or does not fit, recovery reads the whole ledger.
    """
    try:
        record = parse_object(mark.read_bytes())
        offset, digest = record["offset"], record["hash"]
    except (OSError, FormError, KeyError):
        return 0
    if not isinstance(offset, int) or not 0 <= offset <= ledger.stat().st_size:
        return 0
    last = last_line(ledger, offset)
    return offset if last is not None and last.hash == digest else 0


def write_mark(mark: Path, ledger: Path) -> None:
    """Note that every output in the ledger is closed.

    Raises:
        OSError: The mark cannot be written.
    """
    last = last_line(ledger)
    if last is None:
        return
    temporary = mark.with_suffix(".mark.tmp")
    temporary.write_bytes(json.dumps({"offset": ledger.stat().st_size, "hash": last.hash}).encode())
    temporary.chmod(0o600)
    os.replace(temporary, mark)
