"""What is done of a video, kept beside its output until the whole of it is.

A folder for its owner alone holds the finished segments, labelled and coded, and a journal that
says what they are of. The journal is signed by this device: a folder that somebody else put there
is gone on with by nobody. After an interruption the same command with `--resume` goes on behind the
last finished segment, and the output is the one that an uninterrupted run had made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.consent.canonical import FormError, utc_text
from edge.consent.storage import write_private
from edge.errors import ConsentError, EdgeError, NoFaceError, OutputError, PolicyError, UsageError
from edge.jobs.journal import Journal, Segment, journal_bytes, read_journal
from edge.media.encoding import Coded, append_to, begin_file
from edge.publish import host_tag, writing_failed
from edge.registry import sha256_of

if TYPE_CHECKING:
    from edge.records import SwapRecord

SEGMENT = 250
"""Frames in a segment: as many as x264 puts between two key frames; ten seconds at 25 a second."""

KEPT_DAYS = 7
"""Age from which an unfinished video that nobody goes on with is removed."""

_JOURNAL, _LOCK, _SUFFIX = "journal.json", "lock", ".unfinished"
_NAME_BYTES = 100
_GIVEN_UP = (ConsentError, PolicyError, NoFaceError)
"""After these there is nothing to go on with: what is done may not be published."""


class Unfinished:
    """The folder of one unfinished video; use it as a context manager.

    It holds a lock while it is open: two processes cannot make one output at once. What ends the
    block decides what stays: nothing after success, after a refusal, and where `keep` is not set;
    what is finished after a full disk, Ctrl-C and the like where it is; and always what a killed
    process leaves.

    Attributes:
        journal: What is finished; None before `begin`.
    """

    def __init__(self, output: Path, *, keep: bool) -> None:
        """Remember where it will be; nothing is written yet.

        Args:
            output: The output's name.
            keep: Whether what is finished stays after an error, and what is there is gone on with.
        """
        self._output = output
        self._keep = keep
        self.folder = output.with_name(_folder_name(output.name))
        self.journal: Journal | None = None
        self._lock: int | None = None
        self._open: _Writing | None = None

    def __enter__(self) -> Unfinished:
        try:
            if not self._keep and not _removed(self.folder):
                raise _in_use(self._output)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(self.folder)
        except OSError as error:
            raise writing_failed(self._output, error) from error
        if self._lock is None:
            raise _in_use(self._output)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open is not None:
            self._open.give_up()
        given_up = error is None or isinstance(error, _GIVEN_UP)
        useful = self.journal is not None and bool(self.journal.segments)
        # What was found here and cannot be gone on with stays: it may be hours of somebody's work.
        refused = self.journal is None and isinstance(error, UsageError)
        if given_up or not self._keep or not (useful or refused):
            _remove(self.folder)
        if self._lock is not None:
            os.close(self._lock)

    def go_on(self, settings: Mapping[str, str]) -> Journal | None:
        """Return what is finished, if it is of this very video and command; None where nothing is.

        Args:
            settings: All that the frames depend on, now.

        Raises:
            UsageError: What is there is of something else, damaged, or not of this device.
        """
        path = self.folder / _JOURNAL
        if not path.exists():
            return None
        try:
            journal = read_journal(path)
        except (UsageError, FormError, KeyError, TypeError, ValueError) as error:
            raise self._refused("its journal is damaged") from error
        if journal.output != self._output.name:
            raise self._refused("it is of another output")
        names = sorted(journal.settings.keys() | settings.keys())
        for name in names:
            if journal.settings.get(name) != settings.get(name):
                raise self._refused(f"its {name} was another")
        if not journal.segments:
            return None
        for number, segment in enumerate(journal.segments):
            if not _is_sound(self._segment(number), segment.sha256):
                raise self._refused(f"its part {number + 1} was changed or is missing")
        self.journal = journal
        return journal

    def _refused(self, why: str) -> UsageError:
        return UsageError(
            f"{self._output}: what is kept of it cannot be gone on with: {why}; give the same "
            "command as before, or leave --resume out to begin anew"
        )

    def begin(self, draft: SwapRecord, settings: Mapping[str, str]) -> None:
        """Write the journal of a video that begins now.

        Args:
            draft: Its record, as far as it is known.
            settings: All that its frames depend on.

        Raises:
            OutputError: It cannot be written.
        """
        self.journal = Journal(
            self._output.name,
            dict(settings),
            draft.output_id,
            utc_text(draft.created),
            draft.label,
        )
        self._save()

    def add(self, packets: Sequence[Coded]) -> None:
        """Write packets into the segment that is being made.

        Raises:
            OutputError: They cannot be written: the disk is full.
        """
        assert self.journal is not None
        try:
            if self._open is None:
                self._open = _Writing(self._segment(len(self.journal.segments)))
            append_to(self._open, packets)  # type: ignore[arg-type]
        except OSError as error:
            raise writing_failed(self._output, error) from error

    def finish_segment(
        self, frames: int, *, faces: int, last: int | None, state: str, whole: bool
    ) -> None:
        """Sync the segment that is being made, and enter it; see `Journal` for the words.

        Raises:
            OutputError: It cannot be written.
        """
        assert self.journal is not None
        segments = self.journal.segments
        if self._open is not None:
            try:
                digest = self._open.finish()
            except OSError as error:
                raise writing_failed(self._output, error) from error
            self._open = None
            segments = (*segments, Segment(frames, digest))
        self.journal = replace(
            self.journal, segments=segments, faces=faces, last=last, state=state, whole=whole
        )
        self._save()

    @property
    def paths(self) -> list[Path]:
        """The files of the finished segments, in order."""
        assert self.journal is not None
        return [self._segment(number) for number in range(len(self.journal.segments))]

    def _segment(self, number: int) -> Path:
        return self.folder / f"{number:06d}.part"

    def _save(self) -> None:
        assert self.journal is not None
        try:
            write_private(self.folder / _JOURNAL, journal_bytes(self.journal), overwrite=True)
        except OutputError as error:
            cause = error.__cause__
            failed = cause if isinstance(cause, OSError) else OSError(str(error))
            raise writing_failed(self._output, failed) from error


class _Writing:
    """A segment's file while it is written, and the hash of what it holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")
        begin_file(self)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> str:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def give_up(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def _folder_name(name: str) -> str:
    shown = os.fsencode(name)[:_NAME_BYTES].decode("utf-8", "ignore")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f".{shown}.{host_tag()}-{digest}{_SUFFIX}"


def _in_use(output: Path) -> OutputError:
    return OutputError(f"{output}: another process is making it; wait for it, or stop it")


def _locked(folder: Path) -> int | None:
    """Return a handle that holds the folder's lock; None where another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(folder / _LOCK, flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        pass  # some network shares have no locks; then nobody is kept off
    return handle


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        with contextlib.suppress(OSError):
            folder.unlink()
        return
    shutil.rmtree(folder, ignore_errors=True)


def _is_sound(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and sha256_of(path) == digest
    except OSError:
        return False


def remove_outlived(folder: Path, now: float | None = None) -> None:
    """Remove what is kept of videos that are finished, or that nobody went on with for a week.

    Args:
        folder: Where outputs are to be written; a missing one holds none.
        now: Seconds since 1970; the time now by default.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(_SUFFIX) and f".{host_tag()}-" in name:
                with contextlib.suppress(OSError):
                    _remove_outlived(folder / name, time.time() if now is None else now)


def _remove_outlived(folder: Path, now: float) -> None:
    journal = folder / _JOURNAL
    made = (journal if journal.exists() else folder).stat().st_mtime
    outlived = now - made > KEPT_DAYS * 24 * 3600
    with contextlib.suppress(EdgeError, FormError, KeyError, TypeError, ValueError, OSError):
        known = read_journal(journal)
        output = folder.with_name(Path(known.output).name)
        outlived |= known.whole and output.is_file() and output.stat().st_mtime > made
    if outlived:
        _removed(folder)


def _removed(folder: Path) -> bool:
    """Remove a folder while holding its lock; return False, and leave it, where it is in use."""
    if not folder.is_dir():
        return True
    lock = _locked(folder)
    if lock is None:
        return False
    try:
        _remove(folder)
    finally:
        os.close(lock)
    return True
