"""Find a file's entry in a ledger: by its hash, by what it says of itself, or by its watermark.

So a record is recovered for a file whose metadata is gone. Only the hash says that it is the very
file; the other ways say which output it is, or was made from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import Problem, readable
from edge.consent.entries import SEGMENT_REMOVED
from edge.consent.export import SCHEMA, problems_of, read_export
from edge.consent.ledger import Ledger, default_ledger_path
from edge.consent.seals import seals_of, signed_through, unsigned_after
from edge.consent.shown import Entry, entries_of
from edge.errors import LedgerError
from edge.provenance.watermark.identifier import watermark_id

if TYPE_CHECKING:
    from edge.provenance.verdict import Verdict

THIS_DEVICE = "device"
"""Names this device's own ledger, where a path is asked for."""

_MAX_EXPORT = 1 << 30
_LONGEST_LINE = 1 << 20
_PLACE = re.compile("[0-9]{1,9}")

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
        faults: What is wrong with its chain, or signed by nobody; empty for a whole one.
        matches: Entries that speak of the file, the surest first.
        signer_known: Of an export that holds: whether somebody whom this device trusts signed it.
    """

    path: Path
    entries: int
    faults: tuple[str, ...]
    matches: tuple[Match, ...]
    signer_known: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as the JSON object that `edge verify --ledger --json` prints."""
        return {
            "path": str(self.path),
            "entries": self.entries,
            "intact": not self.faults,
            "faults": list(self.faults),
            "signer_known": self.signer_known,
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
        entries: Its entries, oldest first; of an export that holds, those that were signed.
        faults: What is wrong with its chain, or signed by nobody.
        signer_known: Of an export that holds: whether somebody whom this device trusts has signed
            it. A ledger itself is not asked: its newest lines wait for the next checkpoint.
    """

    path: Path
    entries: tuple[Entry, ...]
    faults: tuple[str, ...]
    signer_known: bool | None = None


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
        if path.exists():
            hint = "is not a file"
        raise LedgerError(f"{path}: there is no ledger: {hint}")
    record = _exported(path)
    if record is not None:
        try:
            return _open_export(path, record)
        except FormError as error:
            raise LedgerError(f"{path}: {error}") from error
    ledger = Ledger(path)
    entries = ledger.entries()
    if not entries:
        raise LedgerError(f"{path}: holds no entry that can be read; is it a ledger?")
    return LedgerSource(path, tuple(entries), _faults(ledger.verify()))


def _open_export(path: Path, record: Mapping[str, object]) -> LedgerSource:
    """Read an export; lines behind what was signed in it do not count, for anybody can add some.

    Raises:
        FormError: It is malformed.
    """
    raw, before, _ = read_export(record)
    lines, faults = list(readable(raw)), _faults(problems_of(record))
    if not lines:
        raise FormError("holds no entry that can be read")
    if faults:
        return LedgerSource(path, tuple(entries_of(lines)), faults)
    seals = seals_of(record)
    through = signed_through(seals)
    unsigned = unsigned_after(seals, len(before) + len(raw))
    return LedgerSource(
        path,
        tuple(entries_of([line for line in lines if line.seq <= through])),
        faults if unsigned is None else (unsigned.text,),
        any(seal.trusted for seal in seals),
    )


def _faults(problems: Sequence[Problem]) -> tuple[str, ...]:
    return tuple(
        f"line {problem.line}: {problem.what}" if problem.line else problem.what
        for problem in problems
    )


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


def removed_segments(source: LedgerSource | None) -> dict[tuple[str, int], str]:
    """Return the hash of every segment, by stream and place, that a ledger says was removed.

    See `edge.live.keeping`, which writes that.
    """
    found: dict[tuple[str, int], str] = {}
    for entry in [] if source is None else source.entries:
        details = entry.fields.get("details")
        if entry.fields.get("event") != "live" or not isinstance(details, dict):
            continue
        place = str(details.get("segment", ""))
        if details.get("stage") == SEGMENT_REMOVED and _PLACE.fullmatch(place):
            found[str(details.get("stream")), int(place)] = str(details.get("sha256"))
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
    return LedgerFinding(
        source.path, len(source.entries), source.faults, tuple(matches), source.signer_known
    )


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
    if entry.kind == "event" and entry.fields.get("event") in ("live", "frame"):
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
