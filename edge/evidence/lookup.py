"""Find a file's entry in a ledger: by its hash, by what it says of itself, or by its watermark.

So a record is recovered for a file whose metadata is gone. Only the hash says that it is the very
file; the other ways say which output it is, or was made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import readable
from edge.consent.export import SCHEMA, problems_of, read_export
from edge.consent.ledger import Ledger, default_ledger_path
from edge.consent.shown import Entry, entries_of
from edge.errors import LedgerError
from edge.provenance.watermark.identifier import watermark_id

if TYPE_CHECKING:
    from edge.provenance.verdict import Verdict

THIS_DEVICE = "device"
"""Names this device's own ledger, where a path is asked for."""

_MAX_EXPORT = 1 << 30
_LONGEST_LINE = 1 << 20

Way = Literal["file", "manifest", "implicit label", "watermark"]
"""By what an entry was found: the hash of the file; the output's id in the manifest or in the
implicit label; the watermark in the pixels."""


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that speaks of this file.

    Attributes:
        entry: The ledger's entry.
        ways: By what it was found, surest first.
    """

    entry: Entry
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class LedgerFinding:
    """What a ledger says about a file.

    Attributes:
        path: The ledger that was looked into.
        entries: Number of its entries.
        faults: What is wrong with its chain; empty for a whole one.
        matches: Entries that speak of the file, the surest first.
    """

    path: Path
    entries: int
    faults: tuple[str, ...]
    matches: tuple[Match, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as the JSON object that `edge verify --ledger --json` prints."""
        return {
            "path": str(self.path),
            "entries": self.entries,
            "intact": not self.faults,
            "faults": list(self.faults),
            "matches": [
                {
                    "found_by": list(match.ways),
                    "state": match.entry.state,
                    "entry": dict(match.entry.fields),
                }
                for match in self.matches
            ],
        }


@dataclass(frozen=True, slots=True)
class LedgerSource:
    """A ledger that was read, whole.

    Attributes:
        path: Where it lies.
        entries: Its entries, oldest first.
        faults: What is wrong with its chain.
    """

    path: Path
    entries: tuple[Entry, ...]
    faults: tuple[str, ...]


def open_ledger(named: str) -> LedgerSource:
    """Read a ledger to look into.

    Args:
        named: `device` for this device's own, or the path of a ledger file, copied, or written by
            `edge ledger export`.

    Raises:
        LedgerError: There is none, or it cannot be read.
    """
    path = default_ledger_path() if named == THIS_DEVICE else Path(named)
    if not path.is_file():
        hint = "nothing was made on this device" if named == THIS_DEVICE else "no such file"
        raise LedgerError(f"{path}: there is no ledger: {hint}")
    record = _exported(path)
    if record is None:
        ledger = Ledger(path)
        entries, problems = ledger.entries(), ledger.verify()
    else:
        try:
            lines, _, _ = read_export(record)
            entries, problems = entries_of(list(readable(lines))), problems_of(record)
        except FormError as error:
            raise LedgerError(f"{path}: {error}") from error
    if not entries:
        raise LedgerError(f"{path}: holds no entry that can be read; is it a ledger?")
    faults = tuple(
        f"line {problem.line}: {problem.what}" if problem.line else problem.what
        for problem in problems
    )
    return LedgerSource(path, tuple(entries), faults)


def _exported(path: Path) -> dict[str, object] | None:
    """Return the record of an exported ledger, or None for a ledger itself."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
            if b"\n" in first and b'"seq"' in first:  # a ledger has an entry in each line
                return None
            record = parse_object(first + file.read(_MAX_EXPORT))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from error
    except FormError:
        return None
    return record if record.get("schema") == SCHEMA else None


def entered_segments(source: LedgerSource | None) -> list[tuple[str, int]]:
    """Return stream and place of every segment of a live recording that a ledger knows of."""
    if source is None:
        return []
    found = []
    for entry in source.entries:
        stream, place = entry.fields.get("stream"), entry.fields.get("segment")
        published = entry.kind == "output" and entry.state == "published"
        if published and isinstance(stream, str) and isinstance(place, int):
            found.append((stream, place))
    return found


def look_up(source: LedgerSource, verdict: Verdict, sha256: str) -> LedgerFinding:
    """Find a file's entry.

    Args:
        source: From `open_ledger`.
        verdict: What verifying the file found.
        sha256: Hex digest of the file.
    """
    found = [Match(entry, _ways(entry, verdict, sha256)) for entry in source.entries]
    matches = sorted(
        (match for match in found if match.ways), key=lambda match: _WAYS.index(match.ways[0])
    )
    return LedgerFinding(source.path, len(source.entries), source.faults, tuple(matches))


_WAYS: tuple[Way, ...] = ("file", "manifest", "implicit label", "watermark")


def _ways(entry: Entry, verdict: Verdict, sha256: str) -> tuple[Way, ...]:
    fields = facts_of(entry)
    if "output_id" not in fields:
        return ()
    claims, label = verdict.claims, verdict.implicit_label
    mark, output = verdict.watermark, fields.get("output_id")
    told: dict[Way, bool] = {
        "file": sha256 in entry.hashes,
        "manifest": claims is not None and _same(output, claims.output_id),
        "implicit label": label is not None and _same(output, label["ProduceID"]),
        "watermark": mark is not None and _mark_of(fields) == mark.id,
    }
    return tuple(way for way in _WAYS if told[way])


def facts_of(entry: Entry) -> Mapping[str, object]:
    """Return what an entry says about an output.

    Of a live stream, and of a frame that a caller of the API got, these are its event's details. A
    frame's hashes are left out: they are of pixels in memory, and would be read as a file's.
    """
    if entry.kind == "event" and entry.fields.get("event") in {"live", "frame"}:
        details = entry.fields.get("details")
        if not isinstance(details, Mapping):
            return {}
        return {key: value for key, value in details.items() if not key.endswith("_sha256")}
    return entry.fields if entry.kind == "output" else {}


def _mark_of(fields: Mapping[str, object]) -> str:
    """Return the watermark of an output: a recorded segment has that of its stream."""
    return watermark_id(str(fields.get("stream") or fields.get("output_id")))


def _same(mine: object, theirs: str | None) -> bool:
    return bool(theirs) and mine == theirs
