"""The ledger's lines as they are shown: outputs with their state, refusals, events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.consent.chain import Line

_CLOSING = frozenset({"published", "missing"})
"""Lines that only say what became of an output."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is shown.

    Attributes:
        seq: Its number, from 1.
        time: When it was written, ISO 8601 UTC.
        kind: output, refusal or event.
        state: Of an output: published, missing, or open (its file has not its name yet); else "".
        fields: All that the line says.
        hashes: Of an output: every SHA-256 that its file has had; a time stamp that came later
            makes a second one.
    """

    seq: int
    time: str
    kind: str
    state: str
    fields: Mapping[str, object]
    hashes: tuple[str, ...] = ()


def entries_of(lines: Sequence[Line]) -> list[Entry]:
    """Return the lines as entries, oldest first; those that close an output are its state."""
    states = {
        entry: line.kind
        for line in lines
        if line.kind in _CLOSING and isinstance(entry := line.fields.get("entry"), int)
    }
    hashes = _hashes(lines)
    return [
        Entry(
            seq=line.seq,
            time=str(line.fields.get("time", "")),
            kind=line.kind,
            state=states.get(line.seq, "open") if line.kind == "output" else "",
            fields=line.fields,
            hashes=tuple(hashes.get(line.seq, ())) if line.kind == "output" else (),
        )
        for line in lines
        if line.kind not in _CLOSING
    ]


def open_outputs(lines: Iterable[Line]) -> dict[int, Line]:
    """Return the outputs that no line has closed yet, by number."""
    found: dict[int, Line] = {}
    for line in lines:
        if line.kind == "output":
            found[line.seq] = line
        elif line.kind in {"published", "missing"}:
            entry = line.fields.get("entry")
            if isinstance(entry, int):
                found.pop(entry, None)
    return found


def _hashes(lines: Sequence[Line]) -> dict[int, list[str]]:
    """Return every SHA-256 that the outputs' files have had, by the entry's number."""
    found: dict[int, list[str]] = {}
    for line in lines:
        digest = line.fields.get("output_sha256")
        of = line.seq if line.kind == "output" else line.fields.get("entry")
        if isinstance(digest, str) and isinstance(of, int):
            found.setdefault(of, []).append(digest)
    return found
