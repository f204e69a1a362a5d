"""The ledger: an append-only log of every output and every refusal of this device.

One JSON object a line. Each line holds the hash of the line before it (`prev`) and its own
(`hash`, SHA-256 of the canonical JSON of the rest), so that a changed, added or removed line
shows. A small head file beside it holds the newest number and hash, so that removing the newest
lines shows too. Who owns the device can still write a whole new ledger and head: the chain is
evidence against accidents and edits, not against its keeper.

Every now and then this device signs what the ledger holds (checkpoints.py), so that a part of it
can be proved to others (proof.py). Lines past the retention may be purged (retention.py): their
hashes stay, and a line says so.

An output's life: `begin_output` writes and syncs its line while the file is still a temporary
one; the file gets its name; `finish_output` closes it. After a crash `recover` closes what was
left open: as published when the file is there with the right hash, else as missing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from edge.consent.chain import (
    Line,
    Problem,
    file_sha256,
    purged_leaves,
    purged_path,
    read_head,
    scan,
    tail_from,
    verify_chain,
    verify_checkpoints,
    whole_lines,
)
from edge.consent.entries import (
    Event,
    event_fields,
    output_fields,
    path_of,
    refusal_fields,
    short_text,
)
from edge.consent.inflight import read_mark, write_mark
from edge.consent.ledger_file import LedgerFile, default_ledger_path
from edge.consent.shown import Entry, entries_of, open_outputs
from edge.consent.storage import write_private
from edge.errors import LedgerError
from edge.records import SwapRecord

__all__ = ["Entry", "Ledger", "default_ledger_path"]


class Ledger:
    """The ledger in one file; any number of processes may share it.

    Args:
        path: The file; this device's by default. It is made, readable by its owner only, with the
            first entry.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_ledger_path()
        self._file = LedgerFile(self.path)
        self._mark = self.path.with_suffix(".mark")
        self._mine: dict[int, tuple[Path, str]] = {}

    # Writing ---------------------------------------------------------------------------------

    def begin_output(
        self,
        record: SwapRecord,
        output_path: Path,
        output_sha256: str,
        time_stamp: Mapping[str, str] | None = None,
    ) -> int:
        """Write and sync the entry of an output, before its file gets its name.

        Args:
            record: What is known about the output.
            output_path: The name that it will get.
            output_sha256: Hex digest of its finished bytes.
            time_stamp: What is known of its time stamp, where an authority is configured.

        Returns:
            The entry's number, for `finish_output`.

        Raises:
            LedgerError: The entry cannot be written; then the output must not appear.
        """
        fields = output_fields(record, output_path, output_sha256)
        if time_stamp is not None:
            fields["time_stamp"] = dict(time_stamp)
        with self._file.locked():
            seq = self._file.append("output", fields, hold=True)
        self._mine[seq] = (Path(os.path.abspath(output_path)), output_sha256)
        return seq

    def finish_output(self, seq: int) -> None:
        """Close the entry `seq`: its file has its name and is synced.

        Raises:
            LedgerError: The entry cannot be written. The output is there; recovery will close it.
        """
        self._close(seq, "published", {})

    def abandon_output(self, seq: int, why: str) -> None:
        """Close the entry `seq` after a failure: as missing, unless its file has its name already.

        Raises:
            LedgerError: The entry cannot be written; recovery will close it.
        """
        path, digest = self._mine.get(seq, (None, ""))
        # Ctrl-C can come between the file's name and the end of the step that gave it.
        named = path is not None and file_sha256(path) == digest
        self._close(seq, "published" if named else "missing", {"reason": short_text(why)})

    def _close(self, seq: int, kind: str, fields: Mapping[str, object]) -> None:
        with self._file.locked():
            newest = self._file.append(kind, {"entry": seq, **fields})
            self._file.inflight.release(seq)
        self._mine.pop(seq, None)
        self._keep_checkpoints(newest)

    @contextlib.contextmanager
    def output(self, record: SwapRecord, output_path: Path, output_sha256: str) -> Iterator[int]:
        """Enter an output, run the body that names its file, and close the entry.

        Example:
            >>> with ledger.output(record, path, digest):    # doctest: +SKIP
            ...     os.replace(temporary, path)

        Raises:
            LedgerError: The entry cannot be written; the body did not run.
        """
        seq = self.begin_output(record, output_path, output_sha256)
        try:
            yield seq
        except BaseException as error:
            with contextlib.suppress(LedgerError):  # recovery will close it, then
                self.abandon_output(seq, f"{type(error).__name__}: {error}")
            raise
        self.finish_output(seq)

    def refusal(self, error: Exception, asked: Mapping[str, str], names: Iterable[str] = ()) -> int:
        """Write and sync that something was refused.

        Args:
            error: The refusal; its class and message are kept.
            asked: What was asked for, e.g. purpose, input and identity.
            names: People whose names are left out of the message.

        Raises:
            LedgerError: The entry cannot be written.
        """
        return self._noted("refusal", refusal_fields(error, asked, names))

    def event(self, event: Event, details: Mapping[str, str]) -> int:
        """Write and sync an event.

        Args:
            event: What happened.
            details: Texts that say more.

        Raises:
            LedgerError: The entry cannot be written.
        """
        return self._noted("event", event_fields(event, details))

    def append(self, kind: str, make: Callable[[], Mapping[str, object] | None]) -> int | None:
        """Write and sync a line of a kind of its own, for the rooms beside this one.

        Args:
            kind: Its kind.
            make: Returns what the line says, while nobody else can write; None for no line.

        Returns:
            The line's number; None where there is none.

        Raises:
            LedgerError: The line cannot be written.
        """
        with self._file.locked():
            fields = make()
            return None if fields is None else self._file.append(kind, fields)

    def _noted(self, kind: str, fields: Mapping[str, object]) -> int:
        with self._file.locked():
            seq = self._file.append(kind, fields)
        self._keep_checkpoints(seq)
        return seq

    def _keep_checkpoints(self, seq: int) -> None:
        from edge.consent import checkpoints

        checkpoints.keep(self, seq)

    def recover(self) -> list[int]:
        """Heal a torn last line, and close the outputs of processes that are gone.

        Returns:
            Numbers of the entries whose file never appeared.

        Raises:
            LedgerError: The ledger cannot be read or written.
        """
        if not self.path.exists():
            return []
        missing: list[int] = []
        with self._file.locked():
            start = read_mark(self._mark, self.path)
            open_entries = open_outputs(scan(self.path, start))
            for seq, line in sorted(open_entries.items()):
                if self._file.inflight.is_alive(seq):
                    continue
                if not self._close_orphan(line):
                    missing.append(seq)
                self._file.inflight.release(seq)
                del open_entries[seq]
            if not open_entries:
                write_mark(self._mark, self.path)
        return missing

    def _close_orphan(self, line: Line) -> bool:
        if file_sha256(path_of(line.fields)) == line.fields.get("output_sha256"):
            self._file.append("published", {"entry": line.seq, "reason": "found by recovery"})
            return True
        why = "the file never appeared, or is another one: interrupted before it got its name"
        self._file.append("missing", {"entry": line.seq, "reason": why})
        return False

    # Reading ---------------------------------------------------------------------------------

    def verify(self) -> list[Problem]:
        """Check every line's form, hash and place in the chain.

        Returns:
            What is wrong, with line numbers from 1; empty for a whole ledger.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if not self.path.exists() and not self._file.head.exists():
            return []
        with self._file.reading():
            problems = verify_chain(self.path, read_head(self._file.head), self.purged())
            if not problems and self.path.exists():
                problems += verify_checkpoints(self.path, self.purged())
        return problems

    def entries(self) -> list[Entry]:
        """Return outputs (with their state), refusals and events, oldest first.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if not self.path.exists():
            return []
        with self._file.reading():
            lines = list(scan(self.path, 0))
        return entries_of(lines)

    def find(self, sha256: str) -> Entry | None:
        """Return the newest entry of an output whose file has, or had, this SHA-256 (hex).

        Raises:
            LedgerError: The ledger cannot be read.
        """
        return next((e for e in reversed(self.entries()) if sha256 in e.hashes), None)

    def lines(self) -> list[bytes]:
        """Return every whole line, without its end, oldest first.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if not self.path.exists():
            return []
        with self._file.reading():
            return whole_lines(self.path)

    def lines_here(self) -> list[bytes]:
        """Return the same inside `append`, where the ledger is held already."""
        return whole_lines(self.path) if self.path.exists() else []

    def tail_lines(self, kind: str) -> list[bytes]:
        """Return the newest lines from the last one of a kind on, or all of them; for `append`."""
        return tail_from(self.path, kind)

    def purged(self) -> list[bytes]:
        """Return the hashes of the lines that were purged, as leaves of the Merkle tree."""
        return purged_leaves(self.path)

    def replace(self, kept: bytes, purged: bytes) -> None:
        """Put the lines that stay, and the hashes of those that go, in place; inside `append`.

        Raises:
            OSError: They cannot be written; then the ledger is as it was, or whole.
        """
        write_private(purged_path(self.path), purged, overwrite=True)
        write_private(self.path, kept, overwrite=True)
        self._mark.unlink(missing_ok=True)
