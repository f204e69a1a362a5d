from __future__ import annotations

import datetime
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.canonical import utc_now
from edge.consent.operator import operator_key
from edge.consent.record import Consent
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.summary import summary, summary_lines
from edge.consent.terms import Attestation
from edge.consent.trust import TrustStore

ConsentMaker = Callable[..., Consent]
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [(-9, -1, "expired"), (1, 2, "not valid yet"), (-1, 1, "in force")],
)
def test_the_state_is_told(make_consent: ConsentMaker, start: int, end: int, state: str) -> None:
    now = utc_now()
    consent = make_consent(not_before=now + start * DAY, not_after=now + end * DAY)
    assert summary(consent)["state"] == state


def test_a_revocation_is_told(make_consent: ConsentMaker) -> None:
    consent = make_consent()
    install_revocation(new_revocation(consent, operator_key(), TrustStore(), "no more"))
    facts = summary(consent)
    assert (facts["state"], facts["revocation_reason"]) == ("revoked", "no more")
    assert any("no more" in line for line in summary_lines(facts))


def test_a_claim_is_told_apart_from_the_level(make_consent: ConsentMaker) -> None:
    facts = summary(make_consent(claim="trusted-issuer"))
    assert (facts["assurance"], facts["assurance_claimed"]) == ("self-attested", "trusted-issuer")
    assert "claims: trusted-issuer, which does not count here" in summary_lines(facts)


@pytest.mark.parametrize("witness", [False, True])
def test_nothing_secret_and_nothing_overstated(make_consent: ConsentMaker, witness: bool) -> None:
    attestation = Attestation("Eve", Ed25519PrivateKey.generate(), "00" * 32) if witness else None
    claim = "agent-attested" if witness else "self-attested"
    consent = make_consent(claim=claim, attestation=attestation)
    text = json.dumps(summary(consent)) + "\n".join(summary_lines(summary(consent)))
    assert consent.photo_salt not in text
    assert not any(digest in text for digest in consent.photo_hashes)
    assert "verified" not in text
