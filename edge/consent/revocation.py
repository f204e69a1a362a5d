"""Revocations: signed records that end a consent, and travel as files (`*.revocation`).

A revocation counts when the key that signed the consent, its witness's key or a trusted issuer
signed it, and from the moment this device holds it. Others are reported and not honoured: else
anybody could stop anybody's work.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge import resources
from edge.consent.canonical import FormError, parse_object, readable_json, utc_now, utc_text
from edge.consent.fields import Fields
from edge.consent.record import Consent
from edge.consent.signing import (
    KEY_DIGITS,
    SIGNATURE_DIGITS,
    public_hex,
    record_is_signed_by,
    sign_record,
)
from edge.consent.storage import make_private_dir, read_record, write_private
from edge.consent.trust import TrustStore
from edge.errors import ConsentError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = "edge-swap/revocation-1"
NO_REASON = "no reason given"


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation whose signature fits its content.

    Attributes:
        consent_id: The consent that it ends.
        revoked_at: When it was signed, UTC; for people to read, it counts at once.
        reason: Why.
        signer_key: The key that signed it, hex.
        signature: Its signature, hex.
    """

    consent_id: str
    revoked_at: datetime.datetime
    reason: str
    signer_key: str
    signature: str

    def to_dict(self) -> dict[str, object]:
        """Return the record as it is written to a file, signature included."""
        return {
            "schema": SCHEMA,
            "consent_id": self.consent_id,
            "revoked_at": utc_text(self.revoked_at),
            "reason": self.reason,
            "signer": {"public_key": self.signer_key},
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True)
class RevocationState:
    """What this device knows about a consent's revocation.

    Attributes:
        honoured: The revocation that ends it, or None.
        ignored: One line for each record that was found and does not count.
        damaged: One line for each record of this consent, by its name, that cannot be read any
            more; what it said must be known before anybody is swapped in.
    """

    honoured: Revocation | None
    ignored: tuple[str, ...]
    damaged: tuple[str, ...] = ()


def may_revoke(consent: Consent, key: str, trust: TrustStore) -> bool:
    """Return whether the public `key` may revoke `consent`."""
    witness = consent.witness
    return (
        key == consent.issuer_key
        or (witness is not None and key == witness.public_key)
        or trust.trusts(key)
    )


def new_revocation(
    consent: Consent, key: Ed25519PrivateKey, trust: TrustStore, why: str = NO_REASON
) -> Revocation:
    """Make and sign a revocation.

    Args:
        consent: The consent to end.
        key: Key of the consent's signer, its witness or a trusted issuer.
        trust: This device's trust store.
        why: The reason, for people.

    Raises:
        ConsentError: The key may not revoke this consent, or the reason cannot be printed.
    """
    signer = public_hex(key)
    if not may_revoke(consent, signer, trust):
        raise ConsentError(
            f"this key may not revoke the consent {consent.id}: use --key with that of its signer, "
            "its witness or a trusted issuer"
        )
    record: dict[str, object] = {
        "schema": SCHEMA,
        "consent_id": consent.id,
        "revoked_at": utc_text(utc_now()),
        "reason": why,
        "signer": {"public_key": signer},
    }
    record["signature"] = sign_record(record, key)
    return parse_revocation(readable_json(record), "the new revocation")


def parse_revocation(data: bytes, where: str) -> Revocation:
    """Read a revocation from JSON and check its signature; whether it counts is another question.

    Raises:
        ConsentError: Malformed, unsigned or changed.
    """
    try:
        fields = Fields(parse_object(data))
        fields.choice("schema", (SCHEMA,))
        signer = fields.record("signer")
        revocation = Revocation(
            consent_id=fields.text("consent_id"),
            revoked_at=fields.time("revoked_at"),
            reason=fields.text("reason"),
            signer_key=signer.hex("public_key", KEY_DIGITS),
            signature=fields.hex("signature", SIGNATURE_DIGITS),
        )
        signer.done()
        fields.done()
    except FormError as error:
        raise ConsentError(f"{where} is no revocation: {error}") from error
    record = revocation.to_dict()
    del record["signature"]
    if not record_is_signed_by(record, revocation.signer_key, revocation.signature):
        raise ConsentError(f"{where} was changed after it was signed: it is not honoured")
    return revocation


def load_revocation(path: str | Path) -> Revocation:
    """Read a revocation file and check its signature.

    Raises:
        ConsentError: Missing, malformed, unsigned or changed.
    """
    return parse_revocation(read_record(Path(path), "revocation", ConsentError), str(path))


def save_revocation(revocation: Revocation, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a revocation to a file, so that it can travel to other devices.

    Raises:
        OutputError: The file exists, or it cannot be written.
    """
    write_private(Path(path), readable_json(revocation.to_dict()), overwrite=overwrite)


def revocations_dir() -> Path:
    """Return where this device keeps the revocations it knows; it may not exist."""
    return resources.state_dir() / "revocations"


def install_revocation(revocation: Revocation) -> Path:
    """Keep a revocation on this device; every swap looks for it from now on.

    The key is part of the name, so that a stranger's record never stands in the way of one that
    counts.

    Raises:
        OutputError: It cannot be written.
    """
    make_private_dir(revocations_dir())
    name = f"{revocation.consent_id}.{revocation.signer_key[:16]}.revocation"
    path = revocations_dir() / name
    save_revocation(revocation, path, overwrite=True)
    return path


def revocation_state(consent: Consent, trust: TrustStore) -> RevocationState:
    """Look for revocations of `consent` on this device.

    Every file in the folder is looked at, whatever its name: a record that was copied there by
    hand counts like one that was imported.

    Raises:
        ConsentError: The folder cannot be read; a swap must not go on without this check.
    """
    honoured: Revocation | None = None
    ignored: list[str] = []
    damaged: list[str] = []
    for path in _installed():
        try:
            found = load_revocation(path)
        except ConsentError as error:
            if consent.id in path.name:
                damaged.append(str(error))
            continue
        if found.consent_id != consent.id:
            continue
        if may_revoke(consent, found.signer_key, trust):
            honoured = honoured or found
        else:
            ignored.append(
                f"{path} was signed by a key that may not revoke this consent: not honoured"
            )
    return RevocationState(honoured, tuple(ignored), tuple(damaged))


def _installed() -> Iterator[Path]:
    folder = revocations_dir()
    try:
        yield from sorted(path for path in folder.iterdir() if path.suffix == ".revocation")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConsentError(f"cannot look for revocations in {folder}: is it readable?") from error
