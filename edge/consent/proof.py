"""A proof that an output stands in a ledger: one file that others can check without the ledger.

It holds the ledger's lines about the output, word for word, signed checkpoints, and for each of
them the hashes that lead from every line to the signed root (RFC 9162). Other lines stay secret:
only hashes of theirs are in it. docs/ledger.md says how to check one with other tools.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.consent.canonical import FormError, parse_object
from edge.consent.chain import file_sha256
from edge.consent.checkpoints import (
    KIND,
    STAMP,
    Checkpoint,
    read_checkpoint,
    read_stamp,
    write_checkpoint,
)
from edge.consent.merkle import inclusion_path, leaf_hash, root_from_path
from edge.errors import LedgerError

if TYPE_CHECKING:
    from edge.consent.ledger import Ledger

SCHEMA = "edge-swap/ledger-proof-1"

HOW_TO_CHECK = (
    "Each line's leaf is SHA-256(0x00 || line as UTF-8). With its index and path, RFC 9162 section "
    "2.1.3.2 gives the root, which must be the third line of the checkpoint's text (base64), whose "
    "second line is the tree's size. The text is signed with the first certificate of the chain "
    "(ECDSA with DER signatures, or Ed25519). A time stamp is an RFC 3161 token over the text. "
    "The first line's output_sha256, or a later one's, is the SHA-256 of the file."
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint in a proof.

    Attributes:
        checkpoint: The checkpoint.
        tokens: RFC 3161 tokens over its text, DER.
        paths: For each line of the proof its index and the hashes that lead to the root.
    """

    checkpoint: Checkpoint
    tokens: tuple[bytes, ...]
    paths: tuple[tuple[int, tuple[bytes, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof holds.

    Attributes:
        lines: The ledger's lines about one output, word for word, the output's own first.
        signed: Checkpoints over all of them, oldest first.
    """

    lines: tuple[bytes, ...]
    signed: tuple[Signed, ...]

    @property
    def hashes(self) -> tuple[str, ...]:
        """Every SHA-256 (hex) that the lines state for the output's file."""
        stated = [parse_object(line).get("output_sha256") for line in self.lines]
        return tuple(digest for digest in stated if isinstance(digest, str))

    def to_record(self) -> dict[str, object]:
        """Return the proof as the JSON object that is written."""
        return {
            "schema": SCHEMA,
            "how_to_check": HOW_TO_CHECK,
            "lines": [line.decode("utf-8") for line in self.lines],
            "checkpoints": [_signed_fields(item) for item in self.signed],
        }


def prove(ledger: Ledger, output: Path) -> Proof:
    """Prove that an output stands in the ledger; a checkpoint is signed where none covers it yet.

    Args:
        ledger: The ledger.
        output: The file, under whatever name.

    Raises:
        LedgerError: The file cannot be read or is not in the ledger, or the ledger is broken.
        KeyStoreError: The device's key cannot be used.
    """
    digest = file_sha256(output)
    if digest is None:
        raise LedgerError(
            f"{output}: cannot be read: check the path; of a file that has gone, "
            "'edge ledger prove --entry N' proves the entry"
        )
    entry = ledger.find(digest)
    if entry is None:
        raise LedgerError(
            f"{output}: is not in the ledger {ledger.path} with the bytes that it has now"
        )
    return prove_entry(ledger, entry.seq)


def prove_entry(ledger: Ledger, seq: int) -> Proof:
    """Prove that an entry, and what later lines say about it, stands in the ledger.

    Raises:
        LedgerError: There is no such entry, the ledger is broken, or cannot be written.
        KeyStoreError: The device's key cannot be used.
    """
    if ledger.verify():
        raise LedgerError(f"the ledger {ledger.path} is broken: see 'edge ledger verify'")
    wanted = _about(ledger.lines(), seq)
    if not wanted:
        raise LedgerError(f"the ledger {ledger.path} has no entry {seq}")
    if not _covering(ledger, wanted):
        write_checkpoint(ledger)
    chosen = _covering(ledger, wanted)
    leaves = [*ledger.purged(), *(leaf_hash(line) for line in ledger.lines())]
    # The oldest that is stamped says most about when; the newest is the one to renew.
    stamped = [item for item in chosen if item.tokens]
    kept = {item.checkpoint.size: item for item in (*stamped[:1], chosen[-1])}
    signed = tuple(
        Signed(item.checkpoint, item.tokens, _paths(leaves[:size], wanted))
        for size, item in sorted(kept.items())
    )
    return Proof(tuple(wanted.values()), signed)


def _about(lines: Sequence[bytes], seq: int) -> dict[int, bytes]:
    """Return the lines about an entry by their numbers."""
    found = {}
    for line in lines:
        fields = parse_object(line)
        number = fields.get("seq")
        if isinstance(number, int) and (number == seq or fields.get("entry") == seq):
            found[number] = line
    return found if seq in found else {}


def _covering(ledger: Ledger, wanted: Mapping[int, bytes]) -> list[Signed]:
    checkpoints, stamps = checkpoints_in(ledger.lines())
    return [
        Signed(checkpoint, tuple(stamps.get(seq, ())))
        for seq, checkpoint in checkpoints.items()
        if checkpoint.size >= max(wanted)
    ]


def checkpoints_in(
    lines: Sequence[bytes],
) -> tuple[dict[int, Checkpoint], dict[int, list[bytes]]]:
    """Return the checkpoints among lines, and the tokens over them, by the checkpoints' numbers.

    Raises:
        FormError: One of them is malformed.
    """
    checkpoints: dict[int, Checkpoint] = {}
    stamps: dict[int, list[bytes]] = {}
    for line in lines:
        fields = parse_object(line)
        if fields.get("kind") == KIND:
            checkpoint = read_checkpoint(fields)
            checkpoints[checkpoint.size + 1] = checkpoint
        elif fields.get("kind") == STAMP:
            number, token = read_stamp(fields)
            stamps.setdefault(number, []).append(token)
    return checkpoints, stamps


def _paths(
    leaves: Sequence[bytes], wanted: Mapping[int, bytes]
) -> tuple[tuple[int, tuple[bytes, ...]], ...]:
    return tuple((seq - 1, tuple(inclusion_path(leaves, seq - 1))) for seq in wanted)


def _signed_fields(item: Signed) -> dict[str, object]:
    return {
        **item.checkpoint.to_fields(),
        "time_stamps": [base64.b64encode(token).decode("ascii") for token in item.tokens],
        "paths": [
            {"index": index, "path": [step.hex() for step in path]} for index, path in item.paths
        ],
    }


def read_proof(record: Mapping[str, object]) -> Proof:
    """Read a proof and check that every path leads to its signed root.

    The signatures and time stamps are still to be checked.

    Raises:
        FormError: It is malformed, or a path leads elsewhere.
    """
    try:
        lines = tuple(str(line).encode() for line in _listed(record, "lines"))
        signed = []
        for item in _listed(record, "checkpoints"):
            point = _mapping(item)
            tokens = [
                base64.b64decode(str(token), validate=True)
                for token in _listed(point, "time_stamps")
            ]
            paths = [_read_path(_mapping(path)) for path in _listed(point, "paths")]
            signed.append(Signed(read_checkpoint(point), tuple(tokens), tuple(paths)))
    except ValueError as error:
        raise FormError(f"the proof is malformed ({error})") from error
    if not lines or not signed:
        raise FormError("the proof holds no line or no checkpoint")
    proof = Proof(lines, tuple(signed))
    _check_lines(proof)
    for item in proof.signed:
        _check_paths(proof.lines, item)
    return proof


def _listed(record: Mapping[str, object], key: str) -> list[object]:
    value = record.get(key)
    if not isinstance(value, list):
        raise FormError(f"{key} is no list")
    return value


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FormError("what should be an object is none")
    return value


def _read_path(item: Mapping[str, object]) -> tuple[int, tuple[bytes, ...]]:
    index = item.get("index")
    if not isinstance(index, int):
        raise FormError("a path is of no line")
    return index, tuple(bytes.fromhex(str(step)) for step in _listed(item, "path"))


def _check_lines(proof: Proof) -> None:
    """Refuse lines that are not about one and the same output."""
    first = parse_object(proof.lines[0])
    for line in proof.lines[1:]:
        if parse_object(line).get("entry") != first.get("seq"):
            raise FormError("the proof holds a line about something else")


def _check_paths(lines: Sequence[bytes], item: Signed) -> None:
    if len(item.paths) != len(lines):
        raise FormError("a line of the proof has no path to the checkpoint")
    for line, (index, path) in zip(lines, item.paths, strict=True):
        if parse_object(line).get("seq") != index + 1:
            raise FormError("a line stands at another place than it says")
        try:
            root = root_from_path(leaf_hash(line), index, item.checkpoint.size, path)
        except ValueError as error:
            raise FormError(f"a path does not hold: {error}") from error
        if root != item.checkpoint.root:
            raise FormError("a line is not in the tree that was signed: the path leads elsewhere")
