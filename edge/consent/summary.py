"""What is said about a consent on this device: worked out, in words that promise no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from edge.consent.canonical import utc_now, utc_text
from edge.consent.operator import operator_public_key
from edge.consent.record import Consent
from edge.consent.revocation import RevocationState, revocation_state
from edge.consent.trust import assurance_of, load_trust


def summary(consent: Consent) -> dict[str, object]:
    """Return the facts about a consent as plain JSON values; without its salt and hashes.

    Raises:
        ConsentError: The trust store or the revocations cannot be read.
        KeyStoreError: The operator's key is unsafe.
    """
    trust = load_trust()
    assurance = assurance_of(consent, trust, operator_public_key())
    revoked = revocation_state(consent, trust)
    return {
        "id": consent.id,
        "subject": consent.subject,
        "granted_by": consent.granted_by,
        "synthetic": consent.synthetic,
        "adult": f"stated ({consent.adult_basis})",
        "intimate_use": "refused",
        "purposes": list(consent.purposes),
        "media": list(consent.media),
        "targets": list(consent.targets),
        "not_before": utc_text(consent.not_before),
        "not_after": utc_text(consent.not_after),
        "state": _state(consent, revoked),
        "assurance": assurance.level,
        "assurance_reason": assurance.reason,
        "assurance_claimed": consent.claim,
        "witness": None if consent.witness is None else consent.witness.name,
        "form_sha256": None if consent.witness is None else consent.witness.form_sha256,
        "photos": len(consent.photo_hashes),
        "issuer_key": consent.issuer_key,
        "enrollers": list(consent.enrollers),
        "revoked_at": utc_text(revoked.honoured.revoked_at) if revoked.honoured else None,
        "revocation_reason": revoked.honoured.reason if revoked.honoured else None,
        "revocations_ignored": list(revoked.ignored),
        "revocations_damaged": list(revoked.damaged),
    }


def _state(consent: Consent, revoked: RevocationState) -> str:
    now = utc_now()
    if revoked.honoured is not None:
        return "revoked"
    if revoked.damaged:
        return "unclear: a revocation is damaged, so no swap is permitted"
    if now < consent.not_before:
        return "not valid yet"
    return "expired" if now > consent.not_after else "in force"


def summary_lines(facts: Mapping[str, object]) -> list[str]:
    """Return the lines that `edge consent show` prints for a `summary`."""
    words = {
        key: ", ".join(cast("list[str]", value)) if isinstance(value, list) else str(value)
        for key, value in facts.items()
    }
    lines = [
        f"consent: {words['id']}",
        f"subject: {words['subject']} (granted by {words['granted_by']})",
        f"state: {words['state']}, valid {words['not_before']} to {words['not_after']}",
        f"assurance: {words['assurance']}: {words['assurance_reason']}",
        f"purposes: {words['purposes']}",
        f"media: {words['media']}",
        f"targets: {words['targets']}",
        f"adult: {words['adult']}; intimate or sexual use is refused",
        f"photos: {words['photos']}, named by salted hash",
        f"signed by: {words['issuer_key']}",
    ]
    if facts["assurance_claimed"] != facts["assurance"]:
        lines.append(f"claims: {words['assurance_claimed']}, which does not count here")
    if facts["revoked_at"] is not None:
        lines.append(f"revoked: {words['revoked_at']}: {words['revocation_reason']}")
    ignored = cast("list[str]", facts["revocations_ignored"])
    lines += [f"ignored: {line}" for line in ignored]
    damaged = cast("list[str]", facts["revocations_damaged"])
    lines += [f"damaged: {line}" for line in damaged]
    return lines
