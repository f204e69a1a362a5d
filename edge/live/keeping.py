"""Keep a recording within a size: the oldest segments of this device are removed, and no others.

What may go is what the ledger has as a segment of this device in this folder, with the very bytes
that it had then. Each removal is entered before the file goes, so that `edge verify --ledger` still
says of the rest that it is whole: it begins where the last one that was removed ends.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.consent.entries import SEGMENT_REMOVED, path_of
from edge.errors import OutputError
from edge.registry import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.consent.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Kept:
    """A segment that is there.

    Attributes:
        path: Its file.
        stream: The stream that it is of.
        index: Its place in that.
        sha256: Hex digest of its bytes.
        size: How many those are.
    """

    path: Path
    stream: str
    index: int
    sha256: str
    size: int


class Keeping:
    """The segments of one folder, oldest first, and how much of them stays."""

    def __init__(self, folder: Path, ledger: Ledger, most: int) -> None:
        """Find the segments that are there already.

        Args:
            folder: Of the recording.
            ledger: Knows which segments in it are this device's.
            most: Bytes of segments that may stay; the newest segment always does.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        self._ledger, self._most = ledger, most
        self._kept: deque[Kept] = deque()
        # In the ledger's order, which no clock that is set can change.
        for entry in ledger.entries():
            if entry.kind == "output" and entry.state == "published":
                found = _kept(entry.fields, entry.hashes, folder)
                if found is not None:
                    self._kept.append(found)
        self._size = sum(each.size for each in self._kept)

    def add(self, path: Path, stream: str, index: int, sha256: str) -> None:
        """Take note of a new segment, and remove what is too much then.

        Raises:
            LedgerError: A removal cannot be entered; then nothing is removed.
            OutputError: A file cannot be removed.
        """
        try:
            size = path.stat().st_size
        except OSError:  # somebody has taken it away already
            return
        self._kept.append(Kept(path, stream, index, sha256, size))
        self._size += size
        while self._size > self._most and len(self._kept) > 1:
            self._remove(self._kept[0])
            self._size -= self._kept.popleft().size

    def _remove(self, segment: Kept) -> None:
        try:
            if segment.path.is_symlink() or sha256_of(segment.path) != segment.sha256:
                return  # another file has its name: that is not ours to remove
        except OSError:
            return  # it has gone, or been closed to us
        details = {
            "stage": SEGMENT_REMOVED,
            "stream": segment.stream,
            "segment": str(segment.index),
            "sha256": segment.sha256,
        }
        self._ledger.event("live", details)
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{segment.path}: cannot be removed: {error.strerror}") from error


def _kept(fields: Mapping[str, object], hashes: tuple[str, ...], folder: Path) -> Kept | None:
    """Return the segment that an output's entry is of, if it is one and lies in the folder."""
    stream, index = fields.get("stream"), fields.get("segment")
    path = path_of(fields)
    if not isinstance(stream, str) or not isinstance(index, int) or not hashes:
        return None
    if path.parent != Path(os.path.abspath(folder)):
        return None
    with contextlib.suppress(OSError):
        if path.is_file() and not path.is_symlink():
            return Kept(path, stream, index, hashes[-1], path.stat().st_size)
    return None
