"""The ledger for an authority: one file with lines, checkpoints, time stamps, and how to check it.

Lines that were purged, or that were written before the day that is asked for, are there by their
hashes alone, so that every checkpoint can still be checked.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge.consent.canonical import FormError, parse_object, parse_utc, utc_now, utc_text
from edge.consent.chain import Head, Problem, verify_lines
from edge.consent.checkpoints import wrong_checkpoints
from edge.consent.merkle import leaf_hash
from edge.errors import LedgerError

if TYPE_CHECKING:
    from edge.consent.ledger import Ledger

SCHEMA = "edge-swap/ledger-export-1"

HOW_TO_CHECK = (
    "Every line's hash is the SHA-256 of its canonical JSON (keys sorted, no spaces, UTF-8) "
    "without the key hash; prev is the hash of the line before. Leaves of the Merkle tree (RFC "
    "9162) are the hashes in leaves_before, then SHA-256(0x00 || line) of each line. A line of the "
    "kind checkpoint signs, in its text, the size and root (base64) of the tree over all leaves "
    "before it, with the first certificate of its chain; a line of the kind stamp holds an RFC "
    "3161 token over the text of the checkpoint with that number. 'edge ledger check FILE' does "
    "all of it."
)


def export(
    ledger: Ledger, since: datetime.datetime | None = None, through: int | None = None
) -> dict[str, object]:
    """Return the ledger as the JSON object that is handed over.

    Args:
        ledger: The ledger.
        since: Lines before this time are given by their hashes alone.
        through: Number of the last line, a checkpoint: what another process wrote meanwhile is
            signed by nobody yet. None for all lines.

    Raises:
        LedgerError: The ledger is empty or cannot be read.
    """
    lines = ledger.lines()
    if not lines:
        raise LedgerError(f"the ledger {ledger.path} is empty: there is nothing to export")
    purged, left_out = ledger.purged(), 0
    lines = lines if through is None else lines[: max(through - len(purged), 0)]
    try:
        while since and left_out < len(lines) and _time(lines[left_out]) < since:
            left_out += 1
        before = parse_object(lines[left_out]).get("prev") if left_out < len(lines) else None
    except FormError as error:
        raise LedgerError(f"the ledger {ledger.path} is broken: {error}") from error
    leaves = [*purged, *(leaf_hash(line) for line in lines[:left_out])]
    return {
        "schema": SCHEMA,
        "how_to_check": HOW_TO_CHECK,
        "made": utc_text(utc_now()),
        "leaves_before": [leaf.hex() for leaf in leaves],
        "hash_before": before,
        "lines": [line.decode("utf-8") for line in lines[left_out:]],
    }


def _time(line: bytes) -> datetime.datetime:
    return parse_utc(str(parse_object(line).get("time")))


def read_export(record: Mapping[str, object]) -> tuple[list[bytes], list[bytes], str]:
    """Return the lines of an export, the hashes of those before, and the hash of the last of these.

    Raises:
        FormError: It is malformed.
    """
    lines, leaves, before = (record.get(k) for k in ("lines", "leaves_before", "hash_before"))
    if not isinstance(lines, list) or not isinstance(leaves, list) or not isinstance(before, str):
        raise FormError("the export lacks its lines, or what was before them")
    try:
        hashes = [bytes.fromhex(str(x)) for x in leaves]
        content = [str(x).encode() for x in lines]
    except ValueError as error:
        raise FormError(f"the export is malformed ({error})") from error
    if any(len(leaf) != 32 for leaf in hashes):
        raise FormError("the export is malformed: a leaf is no SHA-256")
    return content, hashes, before


def problems_of(record: Mapping[str, object]) -> list[Problem]:
    """Check an export as a ledger is checked: every line, hash and checkpoint.

    Raises:
        FormError: It is malformed.
    """
    lines, leaves, before = read_export(record)
    if not lines:
        raise FormError("the export holds no line")
    problems = verify_lines((line + b"\n" for line in lines), None, Head(len(leaves), before))
    wrong = [] if problems else wrong_checkpoints(leaves, lines)
    return problems + [Problem(number, what) for number, what in wrong]
