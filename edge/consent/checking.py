"""Check a proof or an export that came out of a ledger, and say who signed it, and since when.

Exit statuses are those of `edge verify`: 0 holds and signed by somebody whom this device trusts, 3
holds but the signer is unknown here, 4 does not hold, 2 is no such file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.consent import export, proof
from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import file_sha256
from edge.consent.checkpoints import Checkpoint, signer_of
from edge.errors import KeyStoreError, LedgerError, TimeStampError

if TYPE_CHECKING:
    from cryptography import x509

    from edge.consent.ledger import Ledger

TRUSTED, UNKNOWN, BROKEN = 0, 3, 4
_MAX_FILE = 1 << 30


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
class Checked:
    """What checking a file found.

    Attributes:
        file: The file.
        kind: proof or export.
        exit_status: 0, 3 or 4.
        problems: What does not hold.
        entry: Of a proof: what the ledger says about the output.
        lines: How many lines of the ledger are in it.
        seals: The checkpoints.
        output: Of a proof that was checked with a file: whether the ledger means its bytes.
    """

    file: str
    kind: str
    exit_status: int
    problems: tuple[str, ...] = ()
    entry: Mapping[str, object] | None = None
    lines: int = 0
    seals: tuple[Seal, ...] = ()
    output: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as the JSON object that `edge ledger check --json` prints."""
        return asdict(self)


def check_file(path: Path, output: Path | None = None) -> Checked:
    """Check a proof or an export.

    Args:
        path: The file.
        output: The picture or video that a proof should be about.

    Raises:
        LedgerError: The file is neither, or one of them cannot be read.
    """
    record = _read(path)
    digest = None if output is None else file_sha256(output)
    if output is not None and digest is None:
        raise LedgerError(f"{output}: cannot be read")
    kind = "proof" if record.get("schema") == proof.SCHEMA else "export"
    try:
        if kind == "proof":
            return _checked_proof(str(path), record, digest)
        if output is not None:
            raise LedgerError(f"{path}: is an export of a whole ledger, not a proof of one file")
        return _checked_export(str(path), record)
    except FormError as error:
        return Checked(str(path), kind, BROKEN, (str(error),))


def contradiction(ledger: Ledger, path: Path) -> str | None:
    """Compare a ledger with a proof or export that was given away before.

    Returns:
        None where the ledger still holds what was signed then; else what differs.

    Raises:
        LedgerError: The file is neither, does not hold itself, or is of another ledger.
    """
    from edge.consent.merkle import leaf_hash, root_of

    if check_file(path).exit_status == BROKEN:
        raise LedgerError(f"{path}: does not hold itself: edge ledger check {path}")
    leaves = [*ledger.purged(), *(leaf_hash(line) for line in ledger.lines())]
    for checkpoint, _ in _signed_in(_read(path)):
        if (
            not leaves
            or checkpoint.text.split("\n")[0] != f"edge-swap ledger {leaves[0].hex()[:32]}"
        ):
            raise LedgerError(f"{path}: is of another ledger than {ledger.path}")
        if checkpoint.size > len(leaves):
            return f"{checkpoint.size} lines were signed {checkpoint.time}; {len(leaves)} are here"
        if root_of(leaves[: checkpoint.size]) != checkpoint.root:
            return f"one of the first {checkpoint.size} lines is not what was signed"
    return None


def _read(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise LedgerError(f"{path}: is too large for a proof or export")
        record = parse_object(path.read_bytes())
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from error
    except FormError as error:
        raise LedgerError(f"{path}: is no proof or export of a ledger: {error}") from error
    if record.get("schema") not in {proof.SCHEMA, export.SCHEMA}:
        raise LedgerError(f"{path}: is no proof or export of a ledger")
    return record


def _signed_in(record: Mapping[str, object]) -> list[tuple[Checkpoint, Sequence[bytes]]]:
    if record.get("schema") == proof.SCHEMA:
        return [(item.checkpoint, item.tokens) for item in proof.read_proof(record).signed]
    lines, _, _ = export.read_export(record)
    checkpoints, stamps = proof.checkpoints_in(lines)
    return [(checkpoint, stamps.get(seq, [])) for seq, checkpoint in checkpoints.items()]


def _checked_proof(name: str, record: Mapping[str, object], digest: str | None) -> Checked:
    given = proof.read_proof(record)
    seals = tuple(_seal(item.checkpoint, item.tokens) for item in given.signed)
    same = None if digest is None else digest in given.hashes
    problems = () if same is not False else ("the file is not the one that the ledger means",)
    return Checked(
        file=name,
        kind="proof",
        exit_status=BROKEN if problems else _status(seals),
        problems=problems,
        entry=parse_object(given.lines[0]),
        lines=len(given.lines),
        seals=seals,
        output=same,
    )


def _checked_export(name: str, record: Mapping[str, object]) -> Checked:
    problems = tuple(
        f"line {problem.line}: {problem.what}" for problem in export.problems_of(record)
    )
    lines, _, _ = export.read_export(record)
    if problems:
        return Checked(name, "export", BROKEN, problems, lines=len(lines))
    seals = tuple(_seal(checkpoint, tokens) for checkpoint, tokens in _signed_in(record))
    return Checked(name, "export", _status(seals), lines=len(lines), seals=seals)


def _status(seals: Sequence[Seal]) -> int:
    return TRUSTED if any(seal.trusted for seal in seals) else UNKNOWN


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
    from edge.provenance.anchors import anchors
    from edge.provenance.certificates import fingerprint, parse_chain

    known, _ = anchors()
    pems = [parse_chain(anchor.pem.encode("ascii"), anchor.name) for anchor in known]
    return {fingerprint(certificate) for listed in pems for certificate in listed}


def _stamp(token: bytes, text: bytes) -> Stamp:
    from edge.provenance.anchors import time_anchors
    from edge.provenance.certificates import parse_chain
    from edge.provenance.timing import utc_seconds
    from edge.provenance.tsp import check, read_token

    try:
        read = read_token(token)
        known, _ = time_anchors()
        roots = [c for a in known for c in parse_chain(a.pem.encode("ascii"), a.name)]
        problem = check(read, text, roots)
    except (TimeStampError, KeyStoreError) as error:
        return Stamp("", "", False, str(error))
    return Stamp(utc_seconds(read.time), read.authority, problem is None, problem)
