from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.operator import operator_key
from edge.consent.permit import check_in_force
from edge.consent.record import Consent
from edge.consent.revocation import (
    Revocation,
    install_revocation,
    load_revocation,
    new_revocation,
    revocation_state,
    revocations_dir,
    save_revocation,
)
from edge.consent.signing import public_hex
from edge.consent.terms import Attestation
from edge.consent.trust import TrustStore
from edge.errors import ConsentError

ConsentMaker = Callable[..., Consent]
NOBODY_TRUSTED = TrustStore()


def test_a_revocation_travels_as_a_file(make_consent: ConsentMaker, tmp_path: Path) -> None:
    consent = make_consent()
    made = new_revocation(consent, operator_key(), NOBODY_TRUSTED, "changed her mind")
    save_revocation(made, tmp_path / "r.revocation")
    found = load_revocation(tmp_path / "r.revocation")
    assert found == made
    assert revocation_state(consent, NOBODY_TRUSTED).honoured is None
    install_revocation(found)
    assert revocation_state(consent, NOBODY_TRUSTED).honoured == made
    assert revocation_state(make_consent(), NOBODY_TRUSTED).honoured is None


def test_signer_witness_and_trusted_issuers_may_revoke(make_consent: ConsentMaker) -> None:
    witness, office = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    trust = TrustStore({public_hex(office): "Office"})
    for key in (operator_key(), witness, office):
        consent = make_consent(
            claim="agent-attested", attestation=Attestation("Eve", witness, "00" * 32)
        )
        install_revocation(new_revocation(consent, key, trust))
        assert revocation_state(consent, trust).honoured is not None
    assert revocation_state(consent, NOBODY_TRUSTED).honoured is None


def test_a_strangers_revocation_is_reported_and_not_honoured(make_consent: ConsentMaker) -> None:
    consent, stranger = make_consent(), Ed25519PrivateKey.generate()
    with pytest.raises(ConsentError, match="may not revoke"):
        new_revocation(consent, stranger, NOBODY_TRUSTED)
    # The stranger's own device trusts the stranger.
    own_trust = TrustStore({public_hex(stranger): "me"})
    install_revocation(new_revocation(consent, stranger, own_trust))
    state = revocation_state(consent, NOBODY_TRUSTED)
    assert state.honoured is None
    assert len(state.ignored) == 1
    assert "not honoured" in state.ignored[0]
    install_revocation(new_revocation(consent, operator_key(), NOBODY_TRUSTED))
    assert revocation_state(consent, NOBODY_TRUSTED).honoured is not None


def _stored(consent: Consent) -> Path:
    return install_revocation(new_revocation(consent, operator_key(), NOBODY_TRUSTED))


@pytest.mark.parametrize(
    ("field", "value"),
    [("reason", "other"), ("signature", "00" * 64), ("consent_id", "x"), ("revoked_at", "now")],
)
def test_a_changed_revocation_stops_swaps_until_it_is_mended(
    make_consent: ConsentMaker, field: str, value: str
) -> None:
    consent = make_consent()
    path = _stored(consent)
    record = json.loads(path.read_text())
    record[field] = value
    path.write_text(json.dumps(record))
    state = revocation_state(consent, NOBODY_TRUSTED)
    assert state.honoured is None
    assert len(state.damaged) == 1
    with pytest.raises(ConsentError, match="damaged"):
        check_in_force(consent, "the consent", now=consent.not_before, trust=NOBODY_TRUSTED)


def test_a_record_copied_by_hand_counts(make_consent: ConsentMaker) -> None:
    consent = make_consent()
    path = _stored(consent)
    path.rename(revocations_dir() / "from-the-stick.revocation")
    (revocations_dir() / "noise.revocation").write_bytes(b"x")
    assert isinstance(revocation_state(consent, NOBODY_TRUSTED).honoured, Revocation)


def test_a_folder_that_cannot_be_searched_stops_everything(make_consent: ConsentMaker) -> None:
    consent = make_consent()
    revocations_dir().parent.mkdir(parents=True)
    revocations_dir().write_bytes(b"in the way")
    with pytest.raises(ConsentError, match="cannot look for revocations"):
        revocation_state(consent, NOBODY_TRUSTED)
