"""How long the ledger's lines are kept, and removing those past it: `config/ledger.toml`.

```toml
retention_days = 184
```
184 days are the longest six months; less cannot be set. Nothing is ever purged by itself. A purge
takes the oldest lines, leaves their hashes, and writes a line that says so, so that the chain, the
checkpoints and what was proved before still hold.
"""

from __future__ import annotations

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge import resources
from edge.consent.canonical import FormError, parse_object, parse_utc, utc_now, utc_text
from edge.consent.chain import PURGE
from edge.consent.checkpoints import write_checkpoint
from edge.consent.merkle import leaf_hash, root_of
from edge.consent.storage import read_record
from edge.errors import LedgerError, PolicyError

if TYPE_CHECKING:
    from edge.consent.ledger import Ledger

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LEAST_DAYS = 184
"""Six months at their longest (March to August, July to December): Measures for Labelling, 9."""

_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Purge:
    """Lines that are past the retention.

    Attributes:
        through: Number of the last of them.
        lines: How many there are.
        before: They were written before this time, ISO 8601 UTC.
    """

    through: int
    lines: int
    before: str


def retention_path() -> Path:
    """Return where the retention is configured; the file may not exist."""
    return resources.config_dir() / "ledger.toml"


def retention_days() -> int:
    """Return how many days the ledger's lines are kept at least.

    Raises:
        PolicyError: The configuration is malformed, or asks for less than six months.
    """
    path = retention_path()
    if not path.exists():
        return LEAST_DAYS
    try:
        content = tomllib.loads(read_record(path, "configuration", PolicyError).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: not a TOML file: {error}") from error
    for key in content:
        if key != "retention_days":
            raise PolicyError(f"{path}: no key '{key}'; known: retention_days")
    days = content.get("retention_days", LEAST_DAYS)
    if isinstance(days, bool) or not isinstance(days, int) or not LEAST_DAYS <= days <= _MOST_DAYS:
        raise PolicyError(
            f"{path}: retention_days must be a whole number from {LEAST_DAYS} (six months)"
        )
    return days


def past_retention(ledger: Ledger, now: datetime.datetime | None = None) -> Purge | None:
    """Return the lines that may be purged, or None where there are none.

    They are the oldest ones in a row that were written before the retention. An output that is
    being made now, and what follows it, stays.

    Raises:
        LedgerError: The ledger cannot be read, or the clock stands before its newest line.
        PolicyError: The configuration is malformed.
    """
    return _cut(ledger.lines(), now or utc_now(), retention_days(), ledger)


def purge(ledger: Ledger, now: datetime.datetime | None = None) -> Purge | None:
    """Remove the lines past the retention; all of it again after an interruption.

    A checkpoint is signed first, then a line says what goes, then their hashes are written down,
    and then they go.

    Returns:
        What was removed; None where nothing was past the retention.

    Raises:
        LedgerError: The ledger is broken, or cannot be read or written.
        PolicyError: The configuration is malformed.
    """
    moment, days = now or utc_now(), retention_days()
    ledger.append(PURGE, lambda: _trim(ledger))
    if ledger.verify():
        raise LedgerError(f"the ledger {ledger.path} is broken: see 'edge ledger verify'")
    if _cut(ledger.lines(), moment, days, ledger) is None:
        return None
    write_checkpoint(ledger)
    done: list[Purge] = []

    def record() -> dict[str, object] | None:
        lines = ledger.lines_here()
        cut = _cut(lines, moment, days, ledger)
        if cut is None:
            return None
        done.append(cut)
        last = parse_object(lines[cut.lines - 1])
        leaves = [*ledger.purged(), *(leaf_hash(line) for line in lines[: cut.lines])]
        return {
            "through": cut.through,
            "lines": cut.lines,
            "before": cut.before,
            "last_hash": last["hash"],
            "root": root_of(leaves).hex(),
        }

    ledger.append(PURGE, record)
    ledger.append(PURGE, lambda: _trim(ledger))
    return done[0] if done else None


def _cut(lines: list[bytes], now: datetime.datetime, days: int, ledger: Ledger) -> Purge | None:
    before = now - datetime.timedelta(days=days)
    closed = set()
    newest = None
    for line in reversed(lines):
        fields = _fields(line, ledger)
        newest = newest or fields
        if fields["kind"] in {"published", "missing"}:
            closed.add(str(fields.get("entry")))
    if newest is not None and _time(newest, ledger) > now:
        raise LedgerError(
            "this device's clock stands before the ledger's newest entry: set it, then purge"
        )
    count, through = 0, 0
    for line in lines:
        fields = _fields(line, ledger)
        is_open = fields["kind"] == "output" and str(fields["seq"]) not in closed
        if _time(fields, ledger) >= before or is_open:
            break
        count, through = count + 1, int(str(fields["seq"]))
    return Purge(through, count, utc_text(before)) if count else None


def _fields(line: bytes, ledger: Ledger) -> dict[str, object]:
    try:
        return parse_object(line)
    except FormError as error:
        raise LedgerError(f"the ledger {ledger.path} is broken: {error}") from error


def _time(fields: dict[str, object], ledger: Ledger) -> datetime.datetime:
    try:
        return parse_utc(str(fields.get("time")))
    except FormError as error:
        raise LedgerError(f"the ledger {ledger.path} is broken: {error}") from error


def _trim(ledger: Ledger) -> None:
    """Remove the lines that a line of the ledger says are purged; under the ledger's lock."""
    lines = ledger.lines_here()
    through, gone = 0, []
    for line in lines:
        fields = _fields(line, ledger)
        if fields.get("kind") == PURGE:
            through = max(through, int(str(fields.get("through", 0))))
    for line in lines:
        if int(str(_fields(line, ledger).get("seq"))) > through:
            break
        gone.append(leaf_hash(line))
    if not gone:
        return
    leaves = [*ledger.purged(), *gone]
    kept = b"".join(line + b"\n" for line in lines[len(gone) :])
    ledger.replace(kept, "".join(f"{leaf.hex()}\n" for leaf in leaves).encode("ascii"))
