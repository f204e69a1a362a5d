"""This device's own copies of the consents it made or enrolled under, found by their id.

A consent is the proof that what was done was permitted, so it stays when an identity is erased.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from edge import resources
from edge.consent.canonical import FormError, parse_object
from edge.consent.identity import load_identity
from edge.consent.record import Consent, load_consent, save_consent
from edge.consent.storage import make_private_dir, read_record
from edge.errors import ConsentError


def consents_dir() -> Path:
    """Return where the copies lie; it may not exist."""
    return resources.data_dir() / "consents"


def keep_consent(consent: Consent) -> Path:
    """Keep a copy of `consent` on this device.

    Raises:
        OutputError: It cannot be written.
    """
    make_private_dir(consents_dir())
    path = consents_dir() / f"{consent.id}.json"
    save_consent(consent, path, overwrite=True)
    return path


_IDENTITIES = ("edge-swap/identity-", "edge-swap/encrypted-identity-")


def find_consent(what: str) -> Consent:
    """Return a consent from a consent file, an identity file, or the id of a kept one.

    Raises:
        ConsentError: There is none, or it was changed.
    """
    path = Path(what)
    kept = consents_dir() / f"{what}.json"
    if _is_id(what) and not path.exists():
        if not kept.exists():
            raise ConsentError(f"no consent with the id {what} is kept here: give its file")
        return load_consent(kept)
    try:
        schema = parse_object(read_record(path, "consent", ConsentError)).get("schema")
    except FormError as error:
        raise ConsentError(f"{what} is no consent: {error}") from error
    if isinstance(schema, str) and schema.startswith(_IDENTITIES):
        return load_identity(path).consent
    return load_consent(path)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
