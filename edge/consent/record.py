"""The consent: a signed, expiring record of who may be swapped in, for what, and by whom.

A consent is a JSON file (schema `edge-swap/consent-1`). Its signature is Ed25519 over the
canonical JSON of everything else in it. The level of assurance that the file claims is a claim:
what is reported is worked out by `edge.consent.trust.assurance_of`.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge.consent.canonical import (
    FormError,
    canonical_bytes,
    parse_object,
    readable_json,
    utc_now,
    utc_text,
)
from edge.consent.fields import Fields, check_text
from edge.consent.signing import (
    KEY_DIGITS,
    SIGNATURE_DIGITS,
    public_hex,
    record_is_signed_by,
    sign_record,
)
from edge.consent.storage import read_record, readable_by_others, reason, write_private
from edge.consent.terms import (
    DEFAULT_DAYS,
    LEVELS,
    NOBODY,
    AdultBasis,
    Attestation,
    Level,
    Terms,
    check_targets,
    refuse_forbidden,
)
from edge.errors import ConsentError, MediaError
from edge.records import MEDIA, PURPOSES, Medium, Purpose

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = "edge-swap/consent-1"
WITNESS_SCHEMA = "edge-swap/witness-1"


@dataclass(frozen=True, slots=True)
class Witness:
    """A person who saw the subject consent, and signed that with a key of their own.

    Attributes:
        name: The witness's name or number.
        public_key: Ed25519 key, 64 hex digits.
        form_sha256: SHA-256 of the signed form or of the recorded statement, 64 hex digits.
        signature: The witness's signature over the consent, 128 hex digits.
    """

    name: str
    public_key: str
    form_sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent whose signature fits its content.

    Attributes:
        id: UUID.
        created: When it was signed, UTC.
        subject: Whose face may be swapped in; "nobody" for a synthetic consent.
        granted_by: Who grants it.
        adult_basis: What the statement that the subject is an adult rests on.
        purposes: What it permits swaps for.
        media: Kinds of output that it permits.
        targets: Statements about the target person that it permits: see TARGETS.
        not_before: First second of its validity, UTC.
        not_after: Last second of its validity, UTC.
        claim: Level that it claims. Report `trust.assurance_of` instead.
        witness: The witness, or None.
        photo_salt: 64 hex digits; never leaves the consent file.
        photo_hashes: Salted SHA-256 of each source picture's bytes, hex.
        enrollers: Keys, beside the issuer's, that may enrol identities under it, hex.
        issuer_key: The key that signed it, hex.
        signature: Its signature, hex.
    """

    id: str
    created: datetime.datetime
    subject: str
    granted_by: str
    adult_basis: AdultBasis
    purposes: tuple[Purpose, ...]
    media: tuple[Medium, ...]
    targets: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    claim: Level
    witness: Witness | None
    photo_salt: str
    photo_hashes: tuple[str, ...]
    enrollers: tuple[str, ...]
    issuer_key: str
    signature: str

    @property
    def synthetic(self) -> bool:
        """Whether it says that the faces are rendered and nobody's."""
        return self.claim == "synthetic"

    def to_dict(self) -> dict[str, object]:
        """Return the record as it is written to a file, signature included."""
        assurance: dict[str, object] = {"level": self.claim}
        if self.witness is not None:
            assurance["witness"] = {
                "name": self.witness.name,
                "public_key": self.witness.public_key,
                "form_sha256": self.witness.form_sha256,
                "signature": self.witness.signature,
            }
        return {
            "schema": SCHEMA,
            "id": self.id,
            "created": utc_text(self.created),
            "subject": self.subject,
            "granted_by": self.granted_by,
            "statements": {
                "adult": True,
                "adult_basis": self.adult_basis,
                "intimate_use": False,
            },
            "permits": {
                "purposes": list(self.purposes),
                "media": list(self.media),
                "targets": list(self.targets),
            },
            "not_before": utc_text(self.not_before),
            "not_after": utc_text(self.not_after),
            "assurance": assurance,
            "photos": {"salt": self.photo_salt, "sha256": list(self.photo_hashes)},
            "enrollers": list(self.enrollers),
            "issuer": {"public_key": self.issuer_key},
            "signature": self.signature,
        }

    def covers_photo(self, path: Path) -> bool:
        """Return whether the picture file `path` is one that the consent names.

        Raises:
            MediaError: The picture is missing, empty or unreadable.
        """
        return photo_hash(path, self.photo_salt) in self.photo_hashes


def photo_hash(path: Path, salt: str) -> str:
    """Return the salted SHA-256 of a picture file's bytes.

    Args:
        path: The picture.
        salt: 64 hex digits; with another salt the same picture has another hash, so that nobody
            who holds a picture can find out from the hash alone that it was used.

    Raises:
        MediaError: The picture is missing, empty or unreadable.
    """
    digest = hashlib.sha256(bytes.fromhex(salt))
    empty = True
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                empty = False
                digest.update(block)
    except FileNotFoundError as error:
        raise MediaError(f"no picture at {path}: check the path") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot read the picture {path}: {reason(error)}") from error
    if empty:
        raise MediaError(f"the picture {path} is empty")
    return digest.hexdigest()


def new_consent(
    terms: Terms,
    photos: Sequence[Path],
    key: Ed25519PrivateKey,
    *,
    attestation: Attestation | None = None,
    enrollers: Sequence[str] = (),
) -> Consent:
    """Make and sign a consent.

    Args:
        terms: What is agreed to.
        photos: The source pictures, at least one; only their salted hashes are kept.
        key: The key that signs it: the operator's, or a trusted issuer's.
        attestation: The witness, for an agent-attested consent.
        enrollers: Public keys, beside that of `key`, that may enrol identities under it.

    Raises:
        ConsentError: The subject is under 18, the use is intimate, or the terms make no sense.
        MediaError: A picture is missing or unreadable.
    """
    refuse_forbidden(adult=terms.adult, intimate=terms.intimate)
    if not photos:
        raise ConsentError("a consent names its source pictures: give at least one with --photos")
    now = utc_now()
    start = terms.not_before or now
    salt = secrets.token_hex(32)
    draft = Consent(
        id=str(uuid.uuid4()),
        created=now,
        subject=terms.subject,
        granted_by=terms.granted_by or terms.subject,
        adult_basis=terms.adult_basis,
        purposes=tuple(p for p in PURPOSES if p in terms.purposes),
        media=tuple(m for m in MEDIA if m in terms.media),
        targets=tuple(dict.fromkeys(terms.targets)),
        not_before=start,
        not_after=terms.not_after or start + datetime.timedelta(days=DEFAULT_DAYS),
        claim=terms.claim,
        witness=None,
        photo_salt=salt,
        photo_hashes=tuple(sorted({photo_hash(photo, salt) for photo in photos})),
        enrollers=tuple(dict.fromkeys(enrollers)),
        issuer_key=public_hex(key),
        signature="",
    )
    signed = _sign(_attest(draft, attestation) if attestation else draft, key)
    # Read back what was made, so that nothing is written that could not be loaded.
    return parse_consent(canonical_bytes(signed.to_dict()), "the new consent")


def _attest(draft: Consent, attestation: Attestation) -> Consent:
    key_hex = public_hex(attestation.key)
    if key_hex == draft.issuer_key:
        raise ConsentError(
            "the witness's key is the one that signs: a witness has a key of its own"
        )
    witness = Witness(attestation.name, key_hex, attestation.form_sha256, "")
    unsigned = replace(draft, witness=witness)
    signature = sign_record(_witnessed(unsigned), attestation.key)
    return replace(draft, witness=replace(witness, signature=signature))


def _sign(draft: Consent, key: Ed25519PrivateKey) -> Consent:
    return replace(draft, signature=sign_record(_signed(draft), key))


def _signed(consent: Consent) -> dict[str, object]:
    """Return what the issuer signs: all but the signature itself."""
    record = consent.to_dict()
    del record["signature"]
    return record


def _witnessed(consent: Consent) -> dict[str, object]:
    """Return what the witness signs: all but the two signatures, under a schema of its own."""
    record = _signed(consent)
    record["schema"] = WITNESS_SCHEMA
    assurance = cast("dict[str, dict[str, object]]", record["assurance"])
    del assurance["witness"]["signature"]
    return record


def check_signatures(consent: Consent, where: str) -> None:
    """Check the issuer's signature and the witness's.

    Raises:
        ConsentError: One of them does not fit: the record was changed after it was signed.
    """
    witness = consent.witness
    if not record_is_signed_by(_signed(consent), consent.issuer_key, consent.signature):
        raise ConsentError(f"{where} was changed after it was signed: ask for a new consent")
    if witness is not None and not record_is_signed_by(
        _witnessed(consent), witness.public_key, witness.signature
    ):
        raise ConsentError(f"{where}: the witness's signature does not fit: ask for a new consent")


def parse_consent(data: bytes, where: str) -> Consent:
    """Read a consent from JSON and check its signatures.

    Args:
        data: The JSON.
        where: The file as the user named it, for messages.

    Raises:
        ConsentError: Malformed, changed after it was signed, or a consent to what is forbidden.
    """
    try:
        record = parse_object(data)
        consent = consent_from_dict(record)
    except FormError as error:
        raise ConsentError(f"{where} is no consent: {error}") from error
    check_signatures(consent, where)
    return consent


def consent_from_dict(record: dict[str, object]) -> Consent:
    """Read a consent's fields; the signatures are not checked here.

    Raises:
        FormError: A field is missing, unknown, of the wrong kind, or makes no sense.
        ConsentError: It is a consent to what is forbidden.
    """
    fields = Fields(record)
    fields.choice("schema", (SCHEMA,))
    _read_statements(dict(record))
    statements = fields.record("statements")
    permits = fields.record("permits")
    photos = fields.record("photos")
    assurance = fields.record("assurance")
    issuer = fields.record("issuer")
    consent = Consent(
        id=_read_id(fields),
        created=fields.time("created"),
        subject=fields.text("subject"),
        granted_by=fields.text("granted_by"),
        adult_basis=cast(
            AdultBasis, statements.choice("adult_basis", ("date-of-birth", "statement"))
        ),
        purposes=cast("tuple[Purpose, ...]", permits.texts("purposes")),
        media=cast("tuple[Medium, ...]", permits.texts("media")),
        targets=permits.texts("targets"),
        not_before=fields.time("not_before"),
        not_after=fields.time("not_after"),
        claim=cast(Level, assurance.choice("level", LEVELS)),
        witness=_read_witness(assurance.record("witness")) if assurance.has("witness") else None,
        photo_salt=photos.hex("salt", 64),
        photo_hashes=photos.texts("sha256"),
        enrollers=fields.texts("enrollers"),
        issuer_key=issuer.hex("public_key", KEY_DIGITS),
        signature=fields.hex("signature", SIGNATURE_DIGITS),
    )
    for part in (permits, photos, assurance, issuer, fields):
        part.done()
    _check_sense(consent)
    return consent


def _read_statements(record: dict[str, object]) -> None:
    statements = Fields(record).record("statements")
    refuse_forbidden(
        adult=statements.flag("adult"),
        intimate=statements.flag("intimate_use"),
    )
    statements.text("adult_basis")
    statements.done()


def _read_id(fields: Fields) -> str:
    text = fields.text("id")
    try:
        fits = str(uuid.UUID(text)) == text
    except ValueError:
        fits = False
    if not fits:
        raise FormError("'id' is no UUID")
    return text


def _read_witness(fields: Fields) -> Witness:
    witness = Witness(
        name=fields.text("name"),
        public_key=fields.hex("public_key", KEY_DIGITS),
        form_sha256=fields.hex("form_sha256", 64),
        signature=fields.hex("signature", SIGNATURE_DIGITS),
    )
    fields.done()
    return witness


def _check_sense(consent: Consent) -> None:
    _check_words(consent.purposes, PURPOSES, "purpose")
    _check_words(consent.media, MEDIA, "medium")
    check_targets(consent.targets)
    check_text(consent.subject, "subject")
    if consent.not_after <= consent.not_before:
        raise FormError("it ends before it starts")
    if not consent.photo_hashes:
        raise FormError("it names no source pictures")
    if consent.synthetic != (consent.subject == NOBODY):
        raise FormError(f"a synthetic consent, and no other, has the subject '{NOBODY}'")
    if (consent.claim == "agent-attested") != (consent.witness is not None):
        raise FormError("an agent-attested consent, and no other, has a witness")


def _check_words(words: Sequence[str], allowed: Sequence[str], name: str) -> None:
    if not words:
        raise FormError(f"it permits no {name}; known: {', '.join(allowed)}")
    for word in words:
        if word not in allowed:
            raise FormError(f"no {name} '{word}'; known: {', '.join(allowed)}")


def load_consent(path: str | Path) -> Consent:
    """Read a consent file and check its signatures.

    Raises:
        ConsentError: Missing, malformed, changed after it was signed, a consent to what is
            forbidden, or readable by others: it holds names.
    """
    place = Path(path)
    consent = parse_consent(read_record(place, "consent", ConsentError), str(path))
    if readable_by_others(place):
        raise ConsentError(f"others may read the consent {path}: run 'chmod 600' on it")
    return consent


def save_consent(consent: Consent, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a consent to a file that its owner alone can read.

    Raises:
        OutputError: The file exists, or it cannot be written.
    """
    write_private(Path(path), readable_json(consent.to_dict()), overwrite=overwrite)
