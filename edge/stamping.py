"""Time stamps for outputs: with the signature when there is a network, else later.

What could not be stamped when it was made is queued: its entry in the ledger says so. Adding the
stamp later changes bytes of the file that nothing signed, and so its SHA-256: the ledger then
holds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.errors import TimeStampError
from edge.provenance import stamping
from edge.provenance.timing import utc_seconds

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """How stamping a new output went.

    Attributes:
        state: stamped, or queued for `edge ledger stamp`.
        imprint: SHA-256 of what the stamp is over, hex.
        time: What the stamp states, RFC 3339; empty while it is queued.
        authority: Who made it; empty while it is queued.
        note: What the user should know.
    """

    state: Literal["stamped", "queued"]
    imprint: str
    time: str = ""
    authority: str = ""
    note: str = ""

    def fields(self) -> dict[str, str]:
        """Return what the ledger's entry says about it."""
        more = {"time": self.time, "authority": self.authority} if self.time else {}
        return {"state": self.state, "imprint": self.imprint, **more}


def stamp_new(path: Path) -> Stamp | None:
    """Stamp a new output before it gets its name, if an authority is configured.

    An authority that cannot be reached never keeps an output from being made: it is queued. For a
    minute after that the authority is not asked again.

    Args:
        path: The signed temporary file.

    Returns:
        How it went; None where no authority is configured.

    Raises:
        TimeStampError: The configuration is malformed.
        OSError: The file cannot be written.
    """
    authority = stamping.load_authority()
    if authority is None:
        return None
    imprint = stamping.imprint_of(path).hex()
    if stamping.resting():
        return Stamp("queued", imprint, note="not time-stamped yet: edge ledger stamp does it")
    try:
        token = stamping.stamp_file(path, authority)
    except TimeStampError as error:
        stamping.note_failure()
        note = f"not time-stamped yet ({error}): edge ledger stamp does it later"
        return Stamp("queued", imprint, note=note)
    return Stamp("stamped", imprint, utc_seconds(token.time), token.authority)
