"""The last steps of every output: sign, verify, stamp, enter into the ledger, give it its name."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import EdgeError
from edge.media.sniff import media_type_for
from edge.provenance.manifest import sign
from edge.stamping import Stamp, stamp_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.consent.ledger import Ledger
    from edge.publish import Publication
    from edge.records import SwapRecord

_PARENT_NOTES = {
    "tampered": "the target carries a manifest that does not verify; the output's manifest says so",
    "unreadable": "the target carries C2PA data that cannot be read; it is not in the chain",
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """An output that has its name.

    Attributes:
        sha256: Hex digest of its bytes.
        notes: What the user should know, one sentence each.
    """

    sha256: str
    notes: tuple[str, ...]


def deliver(
    publication: Publication,
    plain: Path,
    ledger: Ledger,
    record: SwapRecord,
    source: Path | None,
    output: Path,
) -> Delivered:
    """Sign and verify a labelled file, enter it into the ledger, and give it its name.

    Args:
        publication: Holds the temporary files.
        plain: The labelled file with its implicit label; it is removed.
        ledger: Where the output is entered, before it gets its name.
        record: What was done.
        source: The target file, which becomes the manifest's parent; None for a live stream's part.
        output: The output's name.

    Raises:
        ProvenanceError: It could not be signed, or does not verify.
        LedgerError: It could not be entered.
        OutputError: It could not be written.
    """
    notes: list[str] = []
    stamps: list[Stamp] = []

    def sign_it(unsigned: Path, signed: Path) -> None:
        state = sign(unsigned, signed, media_type_for(output), record, source)
        if state.parent in _PARENT_NOTES:
            notes.append(_PARENT_NOTES[state.parent])
        stamp = stamp_new(signed)
        if stamp is not None:
            stamps.append(stamp)
            notes.extend([stamp.note] if stamp.note else [])

    def enter_it(digest: str) -> int:
        return ledger.begin_output(record, output, digest, stamps[0].fields() if stamps else None)

    with _entering(ledger, enter_it) as enter:
        digest = publication.publish(plain, sign=sign_it, enter=enter)
    return Delivered(digest, tuple(notes))


@contextmanager
def _entering(ledger: Ledger, begin: Callable[[str], int]) -> Iterator[Callable[[str], None]]:
    """Yield the function that opens the ledger's entry; close the entry with the body's fate."""
    entries: list[int] = []

    def enter(digest: str) -> None:
        entries.append(begin(digest))

    try:
        yield enter
    except BaseException as error:
        for entry in entries:
            with suppress(EdgeError):  # the reason counts; recovery will close the entry, then
                ledger.abandon_output(entry, f"{type(error).__name__}: {error}")
        raise
    for entry in entries:
        ledger.finish_output(entry)
