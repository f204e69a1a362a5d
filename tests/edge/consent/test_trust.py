from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent import trust
from edge.consent.operator import operator_key, operator_public_key
from edge.consent.record import Consent
from edge.consent.signing import public_hex
from edge.consent.storage import changing
from edge.consent.terms import Attestation
from edge.consent.trust import (
    MEANING,
    TrustStore,
    add_issuer,
    assurance_of,
    load_trust,
    remove_issuer,
    trust_path,
)
from edge.errors import ConsentError

ConsentMaker = Callable[..., Consent]


def test_the_level_is_worked_out_and_not_believed(make_consent: ConsentMaker) -> None:
    consent = make_consent(claim="trusted-issuer")
    found = assurance_of(consent, TrustStore(), operator_public_key())
    assert (found.level, found.rank) == ("self-attested", 0)
    assert "does not trust its key" in found.reason
    store = TrustStore({public_hex(operator_key()): "Office"})
    found = assurance_of(consent, store, operator_public_key())
    assert (found.level, found.issuer, found.rank) == ("trusted-issuer", "Office", 2)


def test_a_witness_counts_with_a_key_of_their_own(make_consent: ConsentMaker) -> None:
    witness = Ed25519PrivateKey.generate()
    attestation = Attestation("Eve", witness, "00" * 32)
    consent = make_consent(claim="agent-attested", attestation=attestation)
    found = assurance_of(consent, TrustStore(), operator_public_key())
    assert (found.level, found.rank) == ("agent-attested", 1)


def test_an_operator_is_no_witness(make_consent: ConsentMaker) -> None:
    consent = make_consent(
        key=Ed25519PrivateKey.generate(),
        claim="agent-attested",
        attestation=Attestation("Eve", operator_key(), "00" * 32),
    )
    found = assurance_of(consent, TrustStore(), operator_public_key())
    assert (found.level, found.rank) == ("self-attested", 0)


def test_synthetic_ranks_by_its_signer(make_consent: ConsentMaker) -> None:
    consent = make_consent(subject="nobody", claim="synthetic")
    found = assurance_of(consent, TrustStore(), operator_public_key())
    assert (found.level, found.rank) == ("synthetic", 0)
    store = TrustStore({consent.issuer_key: "Studio"})
    found = assurance_of(consent, store, operator_public_key())
    assert (found.level, found.rank) == ("synthetic", 2)


def test_no_level_claims_more_than_it_holds(make_consent: ConsentMaker) -> None:
    reason = assurance_of(make_consent(), TrustStore(), None).reason
    assert "verified" not in " ".join([*MEANING.values(), reason])


def test_issuers_are_added_and_removed() -> None:
    key = public_hex(Ed25519PrivateKey.generate())
    assert load_trust().issuers == {}
    add_issuer(key, "Office")
    assert load_trust().issuers == {key: "Office"}
    remove_issuer(key)
    assert not load_trust().trusts(key)
    with pytest.raises(ConsentError, match="not in the trust store"):
        remove_issuer(key)
    with pytest.raises(ConsentError, match="cannot trust"):
        add_issuer("xyz", "Office")
    with pytest.raises(ConsentError, match="cannot trust"):
        add_issuer(key, "\x1b[2J")


def test_changes_of_two_processes_wait_for_each_other() -> None:
    """A lock in this process keeps others out, and so does it another thread's."""
    key, other, bad = (letter * 64 for letter in "abc")
    add_issuer(bad, "Bad")
    for change, kept in (
        (lambda: add_issuer(other, "Other"), {key, other, bad}),
        (lambda: remove_issuer(bad), {key, other}),
    ):
        with changing(trust_path()):
            before = load_trust().issuers
            waiting = threading.Thread(target=change)
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive()
            trust._save({**before, key: "Office"})
        waiting.join()
        assert set(load_trust().issuers) == kept


@pytest.mark.parametrize(
    "text", ["{", '{"schema":"edge-swap/trusted-issuers-1","issuers":{"ab":"x"}}', '{"a":1}']
)
def test_a_damaged_store_is_an_error(text: str) -> None:
    add_issuer(public_hex(Ed25519PrivateKey.generate()), "Office")
    trust_path().write_text(text)
    with pytest.raises(ConsentError, match="damaged"):
        load_trust()


def test_a_store_that_others_may_write_to_is_an_error() -> None:
    add_issuer(public_hex(Ed25519PrivateKey.generate()), "Office")
    trust_path().chmod(0o666)
    with pytest.raises(ConsentError, match="others may write"):
        load_trust()


def test_a_link_to_what_is_gone_is_an_error(tmp_path: Path) -> None:
    trust_path().parent.mkdir(parents=True, exist_ok=True)
    trust_path().symlink_to(tmp_path / "volume" / "issuers.json")  # it is not mounted
    with pytest.raises(ConsentError, match=r"^no trust store at .*: check the path$"):
        load_trust()
    with pytest.raises(ConsentError, match="no trust store"):
        add_issuer(public_hex(Ed25519PrivateKey.generate()), "Office")


def test_a_folder_that_may_not_be_entered_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("os.lstat", locked)
        with pytest.raises(ConsentError, match=r"cannot read the trust store .*: permission"):
            load_trust()
