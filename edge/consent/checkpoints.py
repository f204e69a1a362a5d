"""Checkpoints: this device's signature under all that the ledger held at a moment.

A checkpoint is a line of the ledger. It signs the root of the Merkle tree over all lines before it,
in a short text whose first three lines have the form of C2SP tlog-checkpoint:

```
edge-swap ledger 5f0c...       the ledger's name: hash of its first line
258                            lines below this checkpoint
1X8n...=                       root of the tree over them (RFC 9162), base64
2026-11-29T12:00:00Z           by this device's clock
```

It is signed with the key that signs the manifests, so that who trusts one can trust the other. A
time stamp of the text, in a later line, shows that it was there at that time, whatever becomes of
the key, the device or its clock.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from edge.consent.canonical import FormError, parse_object, utc_now, utc_text
from edge.consent.merkle import Peaks, leaf_hash
from edge.errors import KeyStoreError, LedgerError

if TYPE_CHECKING:
    from cryptography import x509

    from edge.consent.ledger import Ledger

KIND = "checkpoint"
STAMP = "stamp"
"""Kinds of the lines."""

PERIOD = 256
"""Lines after which a checkpoint is due."""

DAY = 86_400.0
"""Seconds after which one is due if anything was written since."""

_NAME = "edge-swap ledger "
_FIELDS = frozenset(
    {"text", "signature", "algorithm", "chain", "peaks", "seq", "time", "kind", "prev", "hash"}
)
"""All that the line of a checkpoint says: what its text does not hold, nobody has signed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed checkpoint, as it stands in a ledger, a proof or an export.

    Attributes:
        text: What is signed.
        signature: DER for ECDSA; 64 bytes for Ed25519.
        algorithm: es256, es384, es512 or ed25519.
        chain: Certificates of the signer, DER, the signing one first.
    """

    text: str
    signature: bytes
    algorithm: str
    chain: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """How many lines it is over."""
        return int(self.text.split("\n")[1])

    @property
    def root(self) -> bytes:
        """The root of the tree over them."""
        return base64.b64decode(self.text.split("\n")[2])

    @property
    def time(self) -> str:
        """When it was made, by the device's clock."""
        return self.text.split("\n")[3]

    def to_fields(self) -> dict[str, object]:
        """Return it as it is written down."""
        return {
            "text": self.text,
            "signature": _b64(self.signature),
            "algorithm": self.algorithm,
            "chain": [_b64(der) for der in self.chain],
        }


def read_checkpoint(fields: object) -> Checkpoint:
    """Read what `Checkpoint.to_fields` wrote.

    Raises:
        FormError: It is malformed.
    """
    try:
        assert isinstance(fields, dict)
        text, algorithm = str(fields["text"]), str(fields["algorithm"])
        chain = tuple(base64.b64decode(str(der), validate=True) for der in fields["chain"])
        signature = base64.b64decode(str(fields["signature"]), validate=True)
        made = Checkpoint(text, signature, algorithm, chain)
        text.encode()  # half of a surrogate pair has no bytes that could be signed
        if not text.startswith(_NAME) or text.count("\n") != 4 or made.size < 1:
            raise FormError("its text has another form")
        if len(made.root) != 32 or not chain:
            raise FormError("it lacks its root or its signer")
    except (AssertionError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise FormError(f"a checkpoint is malformed ({error})") from error
    return made


def read_stamp(fields: Mapping[str, object]) -> tuple[int, bytes]:
    """Return the number of the checkpoint that a time stamp's line is about, and the token, DER.

    Raises:
        FormError: The line is malformed.
    """
    number, token = fields.get("checkpoint"), fields.get("token")
    if not isinstance(number, int) or not isinstance(token, str):
        raise FormError("a time stamp lacks its token, or the checkpoint's number")
    try:
        return number, base64.b64decode(token, validate=True)
    except ValueError as error:
        raise FormError(f"a time stamp is malformed ({error})") from error


def signer_of(checkpoint: Checkpoint) -> list[x509.Certificate]:
    """Check a checkpoint's signature and that its chain is one; return the chain.

    Raises:
        FormError: They do not hold.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    digests = {"es256": hashes.SHA256(), "es384": hashes.SHA384(), "es512": hashes.SHA512()}
    message = checkpoint.text.encode()
    try:
        chain = [_certificate(der) for der in checkpoint.chain]
        key = chain[0].public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(checkpoint.signature, message, ec.ECDSA(digests[checkpoint.algorithm]))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(checkpoint.signature, message)
        else:
            raise FormError("its key is of a kind that signs nothing here")
        for lower, upper in pairwise(chain):
            lower.verify_directly_issued_by(upper)
    except FormError:
        raise
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise FormError("its chain holds a certificate of a kind that is not known") from error
    except (InvalidSignature, ValueError, TypeError, KeyError) as error:
        raise FormError("its signature does not hold") from error
    return chain


def _certificate(der: bytes) -> x509.Certificate:
    """Read a certificate, and the parts of it that are shown: the library reads them when asked.

    Raises:
        ValueError: It is malformed.
        x509.InvalidVersion: It is of a version that there is not.
    """
    from edge.provenance.certificates import common_name, read_certificate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a stranger's certificate is worth is checked here
        certificate = read_certificate(der)
    common_name(certificate.subject)
    if certificate.not_valid_before_utc > certificate.not_valid_after_utc:
        raise ValueError("a certificate that is never valid")
    return certificate


# Making them -----------------------------------------------------------------------------------


def write_checkpoint(ledger: Ledger) -> Checkpoint:
    """Sign what the ledger holds now, and write that into it.

    A ledger whose newest line is a checkpoint already is not signed twice.

    Raises:
        LedgerError: The ledger is empty, broken, or cannot be written.
        KeyStoreError: The device's key cannot be used.
    """
    made: list[Checkpoint] = []

    def make() -> dict[str, object] | None:
        lines = list(ledger.tail_lines(KIND))
        last = _checkpoint_in(lines[0]) if lines else None
        if last is not None and len(lines) == 1:
            made.append(last)
            return None
        peaks, name = _tree(ledger, lines, last)
        checkpoint = _signed(name, peaks)
        made.append(checkpoint)
        return {**checkpoint.to_fields(), "peaks": [peak.hex() for peak in peaks.hashes]}

    seq = ledger.append(KIND, make)
    _note(_hint(ledger), seq if seq is not None else made[0].size + 1)
    return made[0]


def keep(ledger: Ledger, seq: int) -> None:
    """Write a checkpoint when one is due; a ledger that cannot be signed now is signed later.

    Args:
        ledger: The ledger.
        seq: Number of the line that was just written.
    """
    hint = _hint(ledger)
    try:
        state = hint.stat()
        since = int(hint.read_text("ascii"))
    except (OSError, ValueError):
        _note(hint, 0 if seq < PERIOD else seq - PERIOD)
        return
    if seq - since < PERIOD and abs(time.time() - state.st_mtime) < DAY:
        return
    try:
        write_checkpoint(ledger)
    except (KeyStoreError, LedgerError):
        _note(hint, since)  # not again with every line: in a day, or after the next period


def _hint(ledger: Ledger) -> Path:
    return ledger.path.with_suffix(".checkpoint")


def _note(hint: Path, seq: int) -> None:
    import contextlib

    with contextlib.suppress(OSError):
        handle = os.open(hint, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(str(seq))


def _checkpoint_in(line: bytes) -> Checkpoint | None:
    try:
        fields = parse_object(line)
        return read_checkpoint(fields) if fields.get("kind") == KIND else None
    except FormError:
        return None


def _tree(ledger: Ledger, lines: Sequence[bytes], last: Checkpoint | None) -> tuple[Peaks, str]:
    """Return the tree over all lines, and the ledger's name.

    Args:
        ledger: The ledger.
        lines: The lines from the last checkpoint on, or all of them.
        last: That checkpoint.
    """
    try:
        if last is not None:
            stated = parse_object(lines[0]).get("peaks")
            hashes = (
                [bytes.fromhex(str(peak)) for peak in stated] if isinstance(stated, list) else []
            )
            peaks, name = Peaks(hashes, last.size), last.text.split("\n")[0]
            if peaks.root() != last.root:
                raise ValueError("peaks of another tree")
        else:
            peaks, name = Peaks(), ""
            for leaf in ledger.purged():
                peaks.add(leaf)
                name = name or _NAME + leaf.hex()[:32]
    except ValueError as error:
        raise LedgerError(
            f"the ledger {ledger.path} cannot be signed: its last checkpoint is damaged"
        ) from error
    for line in lines:
        peaks.add(leaf_hash(line))
        name = name or _NAME + leaf_hash(line).hex()[:32]
    if not lines:
        raise LedgerError(f"the ledger {ledger.path} is empty: there is nothing to sign")
    try:
        newest = parse_object(lines[-1]).get("seq")
    except FormError as error:
        raise LedgerError(
            f"the last line of the ledger {ledger.path} is damaged ({error}): see 'edge ledger "
            "verify'"
        ) from error
    if newest != peaks.size:
        raise LedgerError(f"the ledger {ledger.path} is broken: see 'edge ledger verify'")
    return peaks, name


def _signed(name: str, peaks: Peaks) -> Checkpoint:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    from edge.provenance import certificates
    from edge.provenance.keys import device_keys
    from edge.provenance.signer import FileKey

    key = FileKey(device_keys())
    text = f"{name}\n{peaks.size}\n{_b64(peaks.root())}\n{utc_text(utc_now())}\n"
    signature = key.sign(text.encode())
    if key.algorithm != "ed25519":  # as OpenSSL and X.509 write it
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        signature = encode_dss_signature(r, s)
    pems = certificates.parse_chain(key.chain_pem.encode("ascii"), "the signing chain")
    return Checkpoint(text, signature, key.algorithm, tuple(_der(item) for item in pems))


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# Checking them -----------------------------------------------------------------------------------


def wrong_checkpoints(purged: Iterable[bytes], lines: Iterable[bytes]) -> list[tuple[int, str]]:
    """Check every checkpoint of a ledger against the lines below it, and the form of its stamps.

    Args:
        purged: Hashes of the lines that were purged.
        lines: The lines that are there.

    Returns:
        Line numbers in the file, from 1, and what is wrong there.
    """
    peaks, problems = Peaks(), []
    for leaf in purged:
        peaks.add(leaf)
    for number, line in enumerate(lines, start=1):
        what = _wrong(line, peaks)
        if what is not None:
            problems.append((number, what))
        peaks.add(leaf_hash(line))
    return problems


def _wrong(line: bytes, below: Peaks) -> str | None:
    """Return what is wrong with a line, where it is a checkpoint or a stamp."""
    try:
        fields = parse_object(line)
        if fields.get("kind") == STAMP:
            read_stamp(fields)
        if fields.get("kind") != KIND:
            return None
        checkpoint = read_checkpoint(fields)
        signer_of(checkpoint)
    except FormError as error:
        return f"the checkpoint or its time stamp does not hold: {error}"
    if (checkpoint.size, checkpoint.root) != (below.size, below.root()):
        return "the checkpoint is not over the lines before it"
    return None if fields.keys() <= _FIELDS else "the checkpoint says more than a checkpoint does"
