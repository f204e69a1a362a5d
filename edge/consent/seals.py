"""Who vouches for the lines of a proof or an export: its checkpoints, and how far they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.consent import export, proof
from edge.consent.checkpoints import Checkpoint, signer_of
from edge.errors import KeyStoreError, TimeStampError

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time stamp over a checkpoint.

    Attributes:
        time: What it states, RFC 3339.
        authority: Name of the certificate that made it.
        trusted: Whether it holds, by an authority that this device trusts.
        problem: Why not.
    """

    time: str
    authority: str
    trusted: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint that holds, and who vouches for it.

    Attributes:
        ledger: Name of the ledger.
        size: How many lines it is over.
        root: The root of the tree over them, hex.
        time: When it was made, by the device's clock.
        signer: Common name in the signing certificate.
        trusted: Whether this device trusts the signer: its own root, or an anchor of its user.
        root_sha256: Fingerprint of the last certificate of the signer's chain.
        stamps: Time stamps over it.
    """

    ledger: str
    size: int
    root: str
    time: str
    signer: str
    trusted: bool
    root_sha256: str
    stamps: tuple[Stamp, ...]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Lines at the end of an export that nobody who counts has signed.

    Attributes:
        first: Number of the first one in the ledger, from 1.
        last: Number of the last one.
    """

    first: int
    last: int

    @property
    def text(self) -> str:
        """What that means, with their numbers."""
        count = self.last - self.first + 1
        which = (
            f"line ({self.last})" if count == 1 else f"{count} lines ({self.first} to {self.last})"
        )
        return (
            f"nobody whom this device trusts has signed the last {which}: anybody can have added "
            f"{'it' if count == 1 else 'them'}"
        )


def seals_of(record: Mapping[str, object]) -> tuple[Seal, ...]:
    """Return the checkpoints of a proof, or of an export whose lines were checked.

    Raises:
        FormError: It is malformed, or a signature does not hold.
    """
    if record.get("schema") == proof.SCHEMA:
        signed = [(item.checkpoint, item.tokens) for item in proof.read_proof(record).signed]
        return tuple(_seal(checkpoint, tokens) for checkpoint, tokens in signed)
    lines, _, _ = export.read_export(record)
    checkpoints, stamps = proof.checkpoints_in(lines)
    return tuple(_seal(point, stamps.get(seq, ())) for seq, point in checkpoints.items())


def that_count(seals: Sequence[Seal]) -> Sequence[Seal]:
    """Return the trusted seals; all of them where this device trusts none.

    Anybody can put a checkpoint of their own behind lines of their own, and both behind a ledger.
    """
    return [seal for seal in seals if seal.trusted] or seals


def signed_through(seals: Sequence[Seal]) -> int:
    """Return the number of the last line that a seal which counts is over; 0 for none."""
    return max((seal.size for seal in that_count(seals)), default=0)


def unsigned_after(seals: Sequence[Seal], last: int) -> Unsigned | None:
    """Return the lines that come after all that the seals which count are over.

    The line after those is the checkpoint itself, which says nothing besides.

    Args:
        seals: Of an export.
        last: Number of its last line.
    """
    through = signed_through(seals)
    first = through + 2 if through else 1
    return Unsigned(first, last) if first <= last else None


def _seal(checkpoint: Checkpoint, tokens: Sequence[bytes]) -> Seal:
    """Check a checkpoint's signature and stamps.

    Raises:
        FormError: The signature does not hold.
    """
    from edge.provenance.certificates import common_name, fingerprint

    chain = signer_of(checkpoint)
    stamps = tuple(_stamp(token, checkpoint.text.encode()) for token in tokens)
    root = fingerprint(chain[-1])
    return Seal(
        ledger=checkpoint.text.split("\n")[0],
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        time=checkpoint.time,
        signer=common_name(chain[0].subject),
        trusted=root in _roots() and _valid(chain, checkpoint, stamps),
        root_sha256=root,
        stamps=stamps,
    )


def _valid(chain: list[x509.Certificate], checkpoint: Checkpoint, stamps: Sequence[Stamp]) -> bool:
    """Return whether the chain was valid when a trusted stamp, else the clock here, saw it."""
    import datetime

    from edge.provenance.timing import parse

    seen = [moment for stamp in stamps if stamp.trusted and (moment := parse(stamp.time))]
    moment = min(seen, default=datetime.datetime.now(datetime.timezone.utc))
    return all(c.not_valid_before_utc <= moment <= c.not_valid_after_utc for c in chain)


def _roots() -> set[str]:
    from edge.provenance.anchors import anchors, certificates_of
    from edge.provenance.certificates import fingerprint

    known, _ = anchors()
    return {fingerprint(certificate) for certificate in certificates_of(known)}


def _stamp(token: bytes, text: bytes) -> Stamp:
    from edge.provenance.anchors import certificates_of, time_anchors
    from edge.provenance.timing import utc_seconds
    from edge.provenance.tsp import check, read_token

    try:
        read = read_token(token)
        known, _ = time_anchors()
        problem = check(read, text, certificates_of(known))
    except (TimeStampError, KeyStoreError) as error:
        return Stamp("", "", False, str(error))
    return Stamp(utc_seconds(read.time), read.authority, problem is None, problem)
