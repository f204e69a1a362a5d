"""What edge-swap itself objects to in a file whose manifest the C2PA library finds good.

No hash of C2PA covers what is looked at here, and no signature: a library that asks those alone
overlooks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.provenance.active import Found
from edge.provenance.container import Kind
from edge.provenance.findings import Integrity
from edge.provenance.framing import foreign_frame
from edge.provenance.padding import something_in_padding
from edge.provenance.reading import Reading
from edge.provenance.unhashed import look_at_unhashed
from edge.provenance.verdict import Claims

PADDING = "edge-swap.signature.padding"
"""Our own failure code, among those of C2PA: the signature's padding is not empty."""

FRAMING = "edge-swap.store.framing"
"""Another one: the boxes around the manifest are not as C2PA has them."""


@dataclass(frozen=True, slots=True)
class Objection:
    """What was found.

    Attributes:
        note: What it is.
        code: Failure code; None where it is worth a note and no more.
        integrity: What it makes of a file that is intact otherwise.
    """

    note: str
    code: str | None = None
    integrity: Integrity = "intact"


def objections(
    path: Path, kind: Kind, reading: Reading, found: Found, claims: Claims
) -> Iterator[Objection]:
    """Yield what speaks against a file with a manifest, beside what the library says.

    Args:
        path: The file.
        kind: What it is.
        reading: How reading its manifest went.
        found: Its signature.
        claims: What the manifest says: others' files are read with more patience than ours, of
            which it is known how they are written.
    """
    ours = claims.output_id is not None
    if reading.source == "embedded":
        yield from _beside(found, ours)
        if (oddity := foreign_frame(path, kind)) is not None:
            yield Objection(oddity, FRAMING, "invalid")
    unhashed = look_at_unhashed(path, kind)
    if unhashed.foreign is not None:
        yield Objection(unhashed.foreign, FRAMING, "tampered")
    elif unhashed.text and ours:
        yield Objection("something was written into its free room", FRAMING, "tampered")
    elif unhashed.text:
        yield Objection(f"a text that nobody signed is in its free room: '{unhashed.text}'")


def _beside(found: Found, ours: bool) -> Iterator[Objection]:
    if found.unreadable:
        note = "its signature cannot be read: nobody can say what stands beside it"
        yield Objection(note, PADDING, "tampered")
    elif found.signature is None and ours:
        note = f"{found.out_of_reach}, which edge-swap never does: it was written anew"
        yield Objection(note, FRAMING, "tampered")
    elif found.signature is None:
        yield Objection(f"{found.out_of_reach}: what stands beside its signature was not seen")
    elif something_in_padding(found.signature):
        note = "something was written into the space beside the signature"
        yield Objection(note, PADDING, "tampered")
    elif not found.signature.is_plain:
        yield Objection("its signature is spelt in an unusual way, and nothing stands beside it")
