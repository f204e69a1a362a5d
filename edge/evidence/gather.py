"""Collect everything that can be known about one file."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.evidence.shots import Shot, shots_of
from edge.registry import sha256_of

if TYPE_CHECKING:
    from edge.evidence.lookup import LedgerFinding
    from edge.provenance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """All the facts that a report tells.

    Attributes:
        verdict: What verifying the file found.
        name: The file's name, without its folder.
        sha256: Hex digest of the file.
        size: Its bytes.
        checked: When, UTC.
        shots: Thumbnails; none where the pixels cannot be read.
        ledger: What a ledger says; None where none was looked into.
    """

    verdict: Verdict
    name: str
    sha256: str
    size: int
    checked: datetime.datetime
    shots: tuple[Shot, ...]
    ledger: LedgerFinding | None


def gather(
    path: Path,
    verdict: Verdict,
    sha256: str,
    ledger: LedgerFinding | None,
    look: Callable[[Path, str], tuple[Shot, ...]] = shots_of,
) -> Evidence:
    """Collect the facts.

    Args:
        path: The file.
        verdict: From `verify_file`.
        sha256: From `digest_of`.
        ledger: From `look_up`, where a ledger was named.
        look: Makes the thumbnails of a file of a media type.

    Raises:
        OSError: The file has gone meanwhile.
    """
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return Evidence(
        verdict=verdict,
        name=path.name,
        sha256=sha256,
        size=path.stat().st_size,
        checked=now,
        shots=look(path, verdict.media_type or ""),
        ledger=ledger,
    )


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex.

    Raises:
        OSError: It cannot be read.
    """
    return sha256_of(path)
