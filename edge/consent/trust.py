"""Whose word counts: the keys of trusted issuers, and the level of assurance that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge import resources
from edge.consent.canonical import FormError, parse_object, readable_json
from edge.consent.fields import Fields, check_text
from edge.consent.record import Consent
from edge.consent.signing import KEY_DIGITS
from edge.consent.storage import (
    changing,
    is_there,
    read_record,
    writable_by_others,
    write_private,
)
from edge.consent.terms import Level
from edge.errors import ConsentError

SCHEMA = "edge-swap/trusted-issuers-1"

MEANING: Mapping[Level, str] = {
    "self-attested": "the operator's own word; nobody else confirmed it",
    "agent-attested": "a witness with a key of their own signed it",
    "trusted-issuer": "signed by an issuer that this device trusts",
    "synthetic": "its signer states that the faces are rendered and nobody's",
}
"""What each level says, in words that promise no more than it holds."""


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The issuers that this device trusts.

    Attributes:
        issuers: Name by public key, 64 hex digits.
    """

    issuers: Mapping[str, str] = field(default_factory=dict)

    def trusts(self, key: str) -> bool:
        """Return whether `key` is a trusted issuer's."""
        return key in self.issuers


@dataclass(frozen=True, slots=True)
class Assurance:
    """How much a consent's origin is worth on this device.

    Attributes:
        level: The level that was worked out; what the file claims plays no part.
        reason: Why it is that level, in one line.
        issuer: Name of the trusted issuer that signed it, or None.
        rank: 0 self-attested, 1 agent-attested, 2 trusted issuer; a synthetic consent ranks by
            its signer.
    """

    level: Level
    reason: str
    issuer: str | None
    rank: int


def assurance_of(consent: Consent, trust: TrustStore, operator: str | None) -> Assurance:
    """Work out the assurance of a consent whose signatures were checked.

    A trusted issuer is one whose key is in the trust store. A witness counts only with a key that
    is neither the signer's nor this device's operator's. A synthetic consent stays synthetic
    whoever signed it.

    Args:
        consent: The consent.
        trust: The trust store.
        operator: This device's operator key, hex; None when there is none.
    """
    issuer = trust.issuers.get(consent.issuer_key)
    witness = consent.witness
    if consent.synthetic:
        said = f"stated by the trusted issuer {issuer}" if issuer else "stated by its signer alone"
        return Assurance("synthetic", f"rendered faces, {said}", issuer, 2 if issuer else 0)
    if issuer is not None:
        reason = f"signed by {issuer}, whose key this device trusts"
        return Assurance("trusted-issuer", reason, issuer, 2)
    if witness is not None and witness.public_key not in {consent.issuer_key, operator}:
        return Assurance("agent-attested", f"witnessed and signed by {witness.name}", None, 1)
    if witness is not None:
        reason = "the witness's key is the operator's own, so it adds nothing"
    elif consent.claim == "trusted-issuer":
        reason = "it claims a trusted issuer, but this device does not trust its key"
    else:
        reason = MEANING["self-attested"]
    return Assurance("self-attested", reason, None, 0)


def trust_path() -> Path:
    """Return where the trust store lies; it may not exist."""
    return resources.config_dir() / "trusted-issuers.json"


def load_trust() -> TrustStore:
    """Read this device's trust store; an absent one trusts nobody.

    Raises:
        ConsentError: It is malformed, cannot be read, or others may write to it.
    """
    path = trust_path()
    if not is_there(path, "trust store", ConsentError):
        return TrustStore()
    data = read_record(path, "trust store", ConsentError)
    if writable_by_others(path):
        raise ConsentError(f"others may write to the trust store {path}: run 'chmod 600' on it")
    try:
        fields = Fields(parse_object(data))
        fields.choice("schema", (SCHEMA,))
        record = fields.mapping("issuers")
        fields.done()
        listed = Fields(record, "issuers")
        issuers = {key: listed.text(key) for key in _keys_of(record)}
    except FormError as error:
        raise ConsentError(f"the trust store {path} is damaged: {error}") from error
    return TrustStore(issuers)


def _keys_of(issuers: Mapping[str, object]) -> list[str]:
    keys = sorted(issuers)
    for key in keys:
        Fields({"key": key}, "issuers").hex("key", KEY_DIGITS)
    return keys


def add_issuer(key: str, name: str) -> TrustStore:
    """Trust the issuer's `key` on this device from now on.

    Args:
        key: Public key, 64 hex digits.
        name: Name to show; the operator's choice.

    Raises:
        ConsentError: The name cannot be printed, or the store is damaged.
        OutputError: The store cannot be written.
    """
    try:
        check_text(name, "name")
        Fields({"key": key}).hex("key", KEY_DIGITS)
    except FormError as error:
        raise ConsentError(f"cannot trust this issuer: {error}") from error
    with changing(trust_path()):
        return _save({**load_trust().issuers, key: name})


def remove_issuer(key: str) -> TrustStore:
    """Trust the issuer's `key` no longer.

    Raises:
        ConsentError: It was not trusted.
        OutputError: The store cannot be written.
    """
    with changing(trust_path()):
        issuers = dict(load_trust().issuers)
        if issuers.pop(key, None) is None:
            raise ConsentError(f"the key {key[:16]}... is not in the trust store")
        return _save(issuers)


def _save(issuers: Mapping[str, str]) -> TrustStore:
    """Write the store; under its lock, so that no other process's change is lost."""
    record: dict[str, object] = {"schema": SCHEMA, "issuers": dict(sorted(issuers.items()))}
    write_private(trust_path(), readable_json(record), overwrite=True)
    return TrustStore(dict(issuers))
