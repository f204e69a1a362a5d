"""The file of a ledger, its head and its lock: how a line gets there, whole or not at all.

Any number of processes may share the three files. Who writes holds the lock alone, who reads keeps
writers away. The lock goes with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge import resources
from edge.consent.canonical import FormError, canonical_bytes, sha256_hex, utc_now, utc_text
from edge.consent.chain import NO_HASH, Head, last_line, read_head, tear_off
from edge.consent.entries import event_fields
from edge.consent.inflight import Inflight
from edge.consent.storage import make_private_dir, reason, sync_folder
from edge.errors import LedgerError, OutputError

__all__ = ["LedgerFile", "default_ledger_path"]


def default_ledger_path() -> Path:
    """Return where this device's ledger lies; it may not exist yet."""
    return resources.state_dir() / "ledger.jsonl"


class LedgerFile:
    """The lines of one ledger on disk.

    Attributes:
        path: The file; it is made, readable by its owner only, with the first line.
        head: Number and hash of the newest line.
        inflight: Which outputs are under way in living processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = path.with_suffix(".head")
        self.inflight = Inflight(path.with_suffix(".inflight"))
        self._lock = path.with_suffix(".lock")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger alone; the lock goes with the process, however it ends."""
        try:
            make_private_dir(self.path.parent)
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (OSError, OutputError) as error:
            raise LedgerError(f"cannot open the ledger {self.path}: {reason(error)}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._heal()
            yield
        except OSError as error:
            raise LedgerError(f"cannot use the ledger {self.path}: {reason(error)}") from error
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep writers away while the ledger is read; on a read-only disk there are none.

        Nor has a copy of a ledger any: nothing is left beside it, where somebody keeps evidence.
        """
        make = os.O_CREAT if self.path == default_ledger_path() else 0
        try:
            handle = os.open(self._lock, os.O_RDWR | make | os.O_CLOEXEC, 0o600)
        except OSError:
            handle = None
        try:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        except OSError as error:
            raise LedgerError(f"cannot read the ledger {self.path}: {reason(error)}") from error
        finally:
            if handle is not None:
                os.close(handle)

    def append(self, kind: str, fields: Mapping[str, object], *, hold: bool = False) -> int:
        """Write and sync a line; inside `locked`.

        Args:
            kind: Its kind.
            fields: What it says.
            hold: Whether it is of an output that is under way until `inflight` releases it.

        Returns:
            The line's number.

        Raises:
            LedgerError: It holds what has no canonical form.
            OSError: It cannot be written; then the ledger is as it was.
        """
        seq, prev = self._tip()
        body: dict[str, object] = {
            **fields,
            "seq": seq,
            "time": utc_text(utc_now()),
            "kind": kind,
            "prev": prev,
        }
        try:
            digest = sha256_hex(canonical_bytes(body))
        except FormError as error:
            raise LedgerError(f"cannot write this into the ledger: {error}") from error
        line = canonical_bytes({**body, "hash": digest}) + b"\n"
        if hold:
            self.inflight.hold(seq)
        try:
            self._write_line(line)
        except OSError:
            self.inflight.release(seq)
            raise
        self._write_head(Head(seq, digest))
        return seq

    def _tip(self) -> tuple[int, str]:
        """Return number and previous hash of the next line.

        Where the head is ahead, the newest lines were removed: the next line continues the head,
        so that the gap stays visible for ever.
        """
        head = read_head(self.head) or Head(0, NO_HASH)
        last = last_line(self.path)
        if last is None or head.seq > last.seq:
            return head.seq + 1, head.hash
        return last.seq + 1, last.hash

    def _write_line(self, line: bytes) -> None:
        new = not self.path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(handle).st_size
            try:
                _write_all(handle, line)
                os.fsync(handle)
            except OSError:
                # A full disk leaves half a line; the entry was not made, so it goes.
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if new:
            sync_folder(self.path.parent)

    def _write_head(self, head: Head) -> None:
        """Write the head in place: it fits one sector, so it is the old one or the new one."""
        new = not self.head.exists()
        handle = os.open(self.head, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(handle, head.to_bytes(), 0)
            if new:
                os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            sync_folder(self.head.parent)

    def _heal(self) -> None:
        """Put a line that a loss of power tore aside, and say so in the ledger."""
        torn = tear_off(self.path)
        if torn is not None:
            self.append("event", event_fields("torn-line", torn))


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
