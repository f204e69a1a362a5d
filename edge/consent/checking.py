"""Check a proof or an export that came out of a ledger, and say who signed it, and since when.

Exit statuses are those of `edge verify`: 0 holds and signed by somebody whom this device trusts, 3
holds but the signer is unknown here, or nobody signed the last lines, 4 does not hold, 2 is no such
file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.consent import export, proof
from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import file_sha256
from edge.consent.merkle import leaf_hash, root_of
from edge.consent.seals import Seal, Unsigned, seals_of, that_count, unsigned_after
from edge.errors import LedgerError

if TYPE_CHECKING:
    from edge.consent.ledger import Ledger

TRUSTED, UNKNOWN, BROKEN = 0, 3, 4
_MAX_FILE = 1 << 30


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
        unsigned: Of an export: lines at its end that nobody whom this device trusts has signed, or,
            where it trusts none of the signers, that nobody at all has signed.
    """

    file: str
    kind: str
    exit_status: int
    problems: tuple[str, ...] = ()
    entry: Mapping[str, object] | None = None
    lines: int = 0
    seals: tuple[Seal, ...] = ()
    output: bool | None = None
    unsigned: Unsigned | None = None

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
        LedgerError: The file is neither, does not hold itself, is of another ledger, or ends with
            lines that nobody has signed and that are not in the ledger.
    """
    found = check_file(path)
    if found.exit_status == BROKEN:
        raise LedgerError(f"{path}: does not hold itself: edge ledger check {path}")
    leaves = [*ledger.purged(), *(leaf_hash(line) for line in ledger.lines())]
    for seal in that_count(found.seals):
        if not leaves or seal.ledger != f"edge-swap ledger {leaves[0].hex()[:32]}":
            raise LedgerError(f"{path}: is of another ledger than {ledger.path}")
        if seal.size > len(leaves):
            return f"{seal.size} lines were signed {seal.time}; {len(leaves)} are here"
        if root_of(leaves[: seal.size]).hex() != seal.root:
            return f"one of the first {seal.size} lines is not what was signed"
    if found.unsigned is not None:
        _check_unsigned(found.unsigned, path, leaves, ledger)
    return None


def _check_unsigned(lines: Unsigned, path: Path, leaves: Sequence[bytes], ledger: Ledger) -> None:
    """Refuse lines of an export that say nothing about the ledger: anybody can have added them."""
    given, before, _ = export.read_export(_read(path))
    theirs = [*before, *(leaf_hash(line) for line in given)]
    if leaves[lines.first - 1 : lines.last] != theirs[lines.first - 1 :]:
        raise LedgerError(f"{path}: {lines.text}, and not all of it is in {ledger.path}")


def _read(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise LedgerError(f"{path}: is too large for a proof or export")
        record = parse_object(path.read_bytes())
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from error
    except FormError as error:
        raise LedgerError(f"{path}: is no proof or export of a ledger: {error}") from error
    if record.get("schema") not in (proof.SCHEMA, export.SCHEMA):
        raise LedgerError(f"{path}: is no proof or export of a ledger")
    return record


def _checked_proof(name: str, record: Mapping[str, object], digest: str | None) -> Checked:
    given = proof.read_proof(record)
    seals = seals_of(record)
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
    lines, before, _ = export.read_export(record)
    if problems:
        return Checked(name, "export", BROKEN, problems, lines=len(lines))
    seals = seals_of(record)
    unsigned = unsigned_after(seals, len(before) + len(lines))
    status = UNKNOWN if unsigned is not None else _status(seals)
    return Checked(name, "export", status, lines=len(lines), seals=seals, unsigned=unsigned)


def _status(seals: Sequence[Seal]) -> int:
    return TRUSTED if any(seal.trusted for seal in seals) else UNKNOWN
