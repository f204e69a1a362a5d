"""`bundle.sig`: who answers for a bundle, and until when.

It lies beside bundle.toml and not in it, so that the same inputs give the same bundle whoever signs
it and whenever, and so that a bundle can be renewed without being built again.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.bundle.contents import SEAL
from edge.consent.canonical import FormError, parse_object, readable_json, utc_now, utc_text
from edge.consent.fields import Fields
from edge.consent.signing import (
    KEY_DIGITS,
    SIGNATURE_DIGITS,
    public_hex,
    record_is_signed_by,
    sign_record,
)
from edge.errors import BundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["MOST_SEAL", "SCHEMA", "Seal", "check_dates", "check_seal", "new_seal", "parse_seal"]

SCHEMA = "edge-swap/bundle-seal-1"
LIFE = datetime.timedelta(days=90)
"""Longest time from signing to expiry; renewing a bundle is signing it again."""
SKEW = datetime.timedelta(minutes=10)
"""By how much the clocks of builder and device may differ."""
MOST_SEAL = 16 << 10
"""Bytes of the largest bundle.sig."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What bundle.sig says.

    Attributes:
        bundle: Id of the bundle: SHA-256 of bundle.toml, hex.
        signed: When it was signed, UTC.
        expires: Last second in which the bundle may be used, UTC.
        key: The signer's Ed25519 key, 64 hex digits.
        signature: Its signature, 128 hex digits.
    """

    bundle: str
    signed: datetime.datetime
    expires: datetime.datetime
    key: str
    signature: str

    def statement(self) -> dict[str, object]:
        """Return what the signature is over."""
        return {
            "schema": SCHEMA,
            "bundle": self.bundle,
            "signed": utc_text(self.signed),
            "expires": utc_text(self.expires),
            "key": self.key,
        }

    def to_bytes(self) -> bytes:
        """Return the file."""
        return readable_json({**self.statement(), "signature": self.signature})


def new_seal(
    bundle: str,
    key: Ed25519PrivateKey,
    *,
    not_after: datetime.datetime | None,
    now: datetime.datetime | None = None,
) -> Seal:
    """Sign a bundle.

    Args:
        bundle: Its id.
        key: The builder's key.
        not_after: End of the consent of whoever is baked in; None where nobody is.
        now: The time, UTC; the clock's by default.
    """
    signed = now or utc_now()
    end = signed + LIFE
    draft = Seal(
        bundle, signed, end if not_after is None else min(end, not_after), public_hex(key), ""
    )
    signature = sign_record(draft.statement(), key)
    return Seal(draft.bundle, draft.signed, draft.expires, draft.key, signature)


def parse_seal(data: bytes, where: str) -> Seal:
    """Read bundle.sig; nothing is checked but its form.

    Raises:
        BundleError: It is malformed.
    """
    try:
        fields = Fields(parse_object(data))
        fields.choice("schema", (SCHEMA,))
        seal = Seal(
            bundle=fields.hex("bundle", 64),
            signed=fields.time("signed"),
            expires=fields.time("expires"),
            key=fields.hex("key", KEY_DIGITS),
            signature=fields.hex("signature", SIGNATURE_DIGITS),
        )
        fields.done()
    except FormError as error:
        raise BundleError(f"{where}: {SEAL} is no seal: {error}") from error
    return seal


def check_seal(seal: Seal, bundle: str, where: str) -> None:
    """Check that a seal is of this bundle, that its signature fits, and that it ends in time.

    Whether its key is trusted is another question: see `edge.bundle.builders`.

    Args:
        seal: The seal.
        bundle: The bundle's id.
        where: The bundle as the user named it, for messages.

    Raises:
        BundleError: It is not.
    """
    if seal.bundle != bundle:
        raise BundleError(
            f"{where}: bundle.toml was changed after the bundle was signed: get the bundle again"
        )
    if not record_is_signed_by(seal.statement(), seal.key, seal.signature):
        raise BundleError(f"{where}: the signature in {SEAL} does not fit: get the bundle again")
    if not seal.signed <= seal.expires <= seal.signed + LIFE:
        raise BundleError(
            f"{where}: {SEAL} gives it more than {LIFE.days} days, or less than none: build or "
            "renew it again"
        )


def check_dates(seal: Seal, where: str, now: datetime.datetime) -> None:
    """Check that a bundle may be used at a time.

    Raises:
        BundleError: It was signed later, or has expired.
    """
    if now + SKEW < seal.signed:
        raise BundleError(
            f"{where}: was signed on {utc_text(seal.signed)}, and it is {utc_text(now)}: is the "
            "clock of this device right?"
        )
    if now > seal.expires:
        raise BundleError(
            f"{where}: expired on {utc_text(seal.expires)}: renew it where it was built, with "
            f"'edge bundle renew {where}', and copy its {SEAL} here"
        )
