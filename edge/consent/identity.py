"""An identity: a consenting person's embeddings with the consent that covers them, and no picture.

An identity is a JSON file (schema `edge-swap/identity-1`). The key that enrolled it signs
everything in it, and that key is bound: it is the one that signed the consent, or one that the
consent names as enroller. So the file verifies from its own content on every device.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from edge import resources
from edge.consent import vault
from edge.consent.canonical import (
    FormError,
    canonical_bytes,
    parse_object,
    readable_json,
    sha256_hex,
    utc_now,
    utc_text,
)
from edge.consent.fields import Fields
from edge.consent.record import (
    Consent,
    check_signatures,
    consent_from_dict,
)
from edge.consent.signing import (
    KEY_DIGITS,
    SIGNATURE_DIGITS,
    public_hex,
    record_is_signed_by,
    sign_record,
)
from edge.consent.storage import (
    read_record,
    readable_by_others,
    writable_by_others,
    write_private,
)
from edge.errors import IdentityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from numpy.typing import NDArray

SCHEMA = "edge-swap/identity-1"

_UNIT_TOLERANCE = 1e-3
"""How far from 1 an embedding's length may be: float32 rounding gives about 1e-7."""
_MAX_DIM = 4096
"""Largest embedding read; face recognisers in use give 128 to 1024 numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One recogniser's view of a person.

    Attributes:
        model_sha256: Hex digest of the recogniser's model file.
        vector: float32 (D,), of unit length; read-only.
    """

    model_sha256: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """An enrolled person whose file was not changed since.

    Attributes:
        subject: The consent's subject.
        created: When it was enrolled, UTC.
        recognisers: What was enrolled, by recogniser name.
        consent: The consent that covers it.
        salt: 64 hex digits; never leaves the identity file.
        commitment: Salted SHA-256 of the embeddings, hex; it stands for the identity in manifests
            and in the ledger, and says nothing without the salt.
        enroller_key: The key that signed it, hex.
        signature: Its signature, hex.
    """

    subject: str
    created: datetime.datetime
    recognisers: Mapping[str, Embedding]
    consent: Consent
    salt: str
    commitment: str
    enroller_key: str
    signature: str

    @property
    def embeddings(self) -> Mapping[str, NDArray[np.float32]]:
        """Embeddings by recogniser name: float32 (D,), of unit length, read-only."""
        return {name: item.vector for name, item in self.recognisers.items()}

    def embedding_for(self, recogniser: str, model_sha256: str) -> NDArray[np.float32]:
        """Return the embedding that a swap model needs.

        Args:
            recogniser: Name of the recogniser that the model was made for.
            model_sha256: Hex digest of that recogniser's model file here; empty where none is
                known, as on a device that only swaps: then the name alone decides.

        Returns:
            float32 (D,), of unit length, read-only.

        Raises:
            IdentityError: It was enrolled with another recogniser, or another edition of it.
        """
        found = self.recognisers.get(recogniser)
        if found is None:
            have = ", ".join(sorted(self.recognisers))
            raise IdentityError(
                f"the identity of {self.subject} was enrolled with {have}, but the model needs "
                f"{recogniser}: enrol it again with 'edge enroll --recogniser {recogniser}'"
            )
        if model_sha256 and found.model_sha256 != model_sha256:
            raise IdentityError(
                f"the identity of {self.subject} was enrolled with another edition of {recogniser} "
                f"({found.model_sha256[:12]}..., here {model_sha256[:12]}...): enrol it again"
            )
        return found.vector

    def to_dict(self) -> dict[str, object]:
        """Return the record as it is written to a file, signature included."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "created": utc_text(self.created),
            "embeddings": _embeddings_dict(self.recognisers),
            "consent": self.consent.to_dict(),
            "salt": self.salt,
            "commitment": self.commitment,
            "enroller": {"public_key": self.enroller_key},
            "signature": self.signature,
        }


def new_identity(
    consent: Consent, recognisers: Mapping[str, Embedding], key: Ed25519PrivateKey
) -> Identity:
    """Make and sign an identity.

    Args:
        consent: The consent that covers it.
        recognisers: Embeddings by recogniser name, each float32 (D,) of unit length.
        key: The key that enrols: the consent's issuer, or an enroller that the consent names.

    Raises:
        IdentityError: The key is not bound to the consent, or an embedding is no unit vector.
    """
    salt = secrets.token_hex(32)
    frozen = MappingProxyType({name: _frozen(item) for name, item in sorted(recognisers.items())})
    record: dict[str, object] = {
        "schema": SCHEMA,
        "subject": consent.subject,
        "created": utc_text(utc_now()),
        "embeddings": _embeddings_dict(frozen),
        "consent": consent.to_dict(),
        "salt": salt,
        "commitment": commitment_of(frozen, salt),
        "enroller": {"public_key": public_hex(key)},
    }
    record["signature"] = sign_record(record, key)
    return parse_identity(canonical_bytes(record), "the new identity")


def commitment_of(recognisers: Mapping[str, Embedding], salt: str) -> str:
    """Return the salted SHA-256 of the canonical embeddings, hex."""
    return sha256_hex(bytes.fromhex(salt) + canonical_bytes(_embeddings_dict(recognisers)))


def _frozen(item: Embedding) -> Embedding:
    vector = np.array(item.vector, dtype=np.float32)
    vector.setflags(write=False)
    return Embedding(item.model_sha256, vector)


def _embeddings_dict(recognisers: Mapping[str, Embedding]) -> dict[str, object]:
    return {
        name: {
            "model_sha256": item.model_sha256,
            "dim": int(item.vector.size),
            "float32": base64.b64encode(item.vector.astype("<f4").tobytes()).decode("ascii"),
        }
        for name, item in recognisers.items()
    }


def check_identity(identity: Identity, where: str) -> None:
    """Check an identity against itself: consent, binding of the enroller, commitment, signature.

    Raises:
        IdentityError: It was changed, or its parts do not belong together.
        ConsentError: The consent inside was changed.
    """
    consent = identity.consent
    check_signatures(consent, f"the consent inside {where}")
    if identity.subject != consent.subject:
        raise IdentityError(f"{where} is of another person than its consent: enrol it again")
    if not may_enrol(consent, identity.enroller_key):
        raise IdentityError(
            f"{where} was enrolled by a key that its consent does not name: enrol it again"
        )
    record = identity.to_dict()
    del record["signature"]
    fits = identity.commitment == commitment_of(identity.recognisers, identity.salt)
    if not fits or not record_is_signed_by(record, identity.enroller_key, identity.signature):
        raise IdentityError(f"{where} was changed after it was enrolled: enrol it again")


def may_enrol(consent: Consent, key: str) -> bool:
    """Return whether the public `key` may enrol identities under `consent`."""
    return key == consent.issuer_key or key in consent.enrollers


def parse_identity(data: bytes, where: str) -> Identity:
    """Read an identity from JSON and check it against itself.

    Raises:
        IdentityError: Malformed or changed.
        ConsentError: The consent inside was changed, or is one to what is forbidden.
    """
    try:
        identity = _identity_from_dict(parse_object(data))
    except FormError as error:
        raise IdentityError(f"{where} is no identity: {error}") from error
    check_identity(identity, where)
    return identity


def _identity_from_dict(record: dict[str, object]) -> Identity:
    fields = Fields(record)
    fields.choice("schema", (SCHEMA,))
    enroller = fields.record("enroller")
    identity = Identity(
        subject=fields.text("subject"),
        created=fields.time("created"),
        recognisers=_read_embeddings(fields.mapping("embeddings")),
        consent=consent_from_dict(fields.mapping("consent")),
        salt=fields.hex("salt", 64),
        commitment=fields.hex("commitment", 64),
        enroller_key=enroller.hex("public_key", KEY_DIGITS),
        signature=fields.hex("signature", SIGNATURE_DIGITS),
    )
    enroller.done()
    fields.done()
    return identity


def _read_embeddings(record: dict[str, object]) -> Mapping[str, Embedding]:
    if not record:
        raise FormError("it holds no embedding")
    fields = Fields(record, "embeddings")
    return MappingProxyType(
        {name: _read_embedding(fields.record(name), name) for name in sorted(record)}
    )


def _read_embedding(fields: Fields, name: str) -> Embedding:
    model = fields.hex("model_sha256", 64)
    dim = fields.number("dim")
    text = fields.long_text("float32")
    fields.done()
    if not 0 < dim <= _MAX_DIM:
        raise FormError(f"the embedding of {name} has {dim} numbers")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormError(f"the embedding of {name} is not base64") from error
    # The last base64 digit has spare bits: another spelling of the same numbers is a change too.
    if len(data) != 4 * dim or base64.b64encode(data).decode("ascii") != text:
        raise FormError(f"the embedding of {name} does not hold {dim} numbers")
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    # In float64, for the square of a changed float32 can overflow.
    finite = bool(np.isfinite(vector).all())
    if not finite or abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) > _UNIT_TOLERANCE:
        raise FormError(f"the embedding of {name} is not of unit length")
    vector.setflags(write=False)
    return Embedding(model, vector)


def load_identity(path: str | Path, ask: vault.Ask = vault.ask_terminal) -> Identity:
    """Read an identity file, encrypted or not, and check it against itself.

    Args:
        path: The file.
        ask: Asks for a passphrase where one is needed; a person at the terminal by default.

    Raises:
        IdentityError: Missing, malformed, changed, readable by others, or the secret that it is
            encrypted with is not here.
        ConsentError: The consent inside was changed, or is one to what is forbidden.
        KeyStoreError: The key file cannot be used.
    """
    place = Path(path)
    data = read_record(place, "identity", IdentityError)
    record = vault.encrypted_record(data)
    if record is not None:
        return parse_identity(vault.opened(record, str(path), ask), str(path))
    identity = parse_identity(data, str(path))
    # The installer, not the owner, sets the permissions of what is shipped.
    shipped = place.resolve().is_relative_to(resources.samples_dir().resolve())
    if not shipped and readable_by_others(place):
        verb = "write to" if writable_by_others(place) else "read"
        raise IdentityError(
            f"others may {verb} the identity {path}: run 'chmod 600' on it (a disk without rights, "
            "as FAT, wants an encrypted one: edge identity encrypt)"
        )
    return identity


def save_identity(
    identity: Identity,
    path: str | Path,
    *,
    overwrite: bool = False,
    secret: vault.Secret | None = None,
) -> None:
    """Write an identity to a file that its owner alone can read.

    Args:
        identity: The identity.
        path: The file.
        overwrite: Whether an existing file may be replaced.
        secret: What to encrypt it with; None leaves it in the clear.

    Raises:
        OutputError: The file exists, or it cannot be written.
    """
    write_private(Path(path), identity_file(identity, secret), overwrite=overwrite)


def identity_file(identity: Identity, secret: vault.Secret | None) -> bytes:
    """Return the content of an identity file, encrypted where there is a secret."""
    content = readable_json(identity.to_dict())
    return content if secret is None else vault.sealed(content, identity.commitment, secret)
