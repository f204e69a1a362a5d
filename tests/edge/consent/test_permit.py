from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.canonical import utc_now
from edge.consent.identity import Embedding, Identity
from edge.consent.operator import operator_key
from edge.consent.permit import TargetStatement, permit
from edge.consent.policy import Policy
from edge.consent.record import Consent, save_consent
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.signing import public_hex
from edge.consent.trust import TrustStore, add_issuer
from edge.errors import ConsentError, EdgeError, IdentityError, PolicyError, UsageError
from edge.records import MEDIA, PURPOSES, Permit

ConsentMaker = Callable[..., Consent]
IdentityMaker = Callable[..., Identity]
DAY = datetime.timedelta(days=1)
SYNTHETIC = TargetStatement("synthetic")


def _ask(identity: Identity, **asked: Any) -> Permit:
    return permit(
        identity, **{"purpose": "film", "medium": "picture", "target": SYNTHETIC, **asked}
    )


def test_leave_is_given(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    found = _ask(identity)
    assert found == Permit(
        consent_id=identity.consent.id,
        assurance="self-attested",
        purpose="film",
        medium="picture",
        identity_commitment=identity.commitment,
        target_statement="synthetic",
        not_after=identity.consent.not_after,
    )


def test_expired_and_future_consents_are_refused(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    now = utc_now()
    past = make_identity(make_consent(not_before=now - 9 * DAY, not_after=now - DAY))
    with pytest.raises(ConsentError, match=r"Alice expired on \d{4}-"):
        _ask(past)
    future = make_identity(make_consent(not_before=now + DAY))
    with pytest.raises(ConsentError, match="not valid yet"):
        _ask(future)


def test_the_first_and_the_last_second_are_valid(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    start, end = identity.consent.not_before, identity.consent.not_after
    second = datetime.timedelta(seconds=1)
    for moment in (start, end):
        _ask(identity, now=moment)
    for moment in (start - second, end + second):
        with pytest.raises(ConsentError):
            _ask(identity, now=moment)


def test_a_revoked_consent_is_refused(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    revocation = new_revocation(identity.consent, operator_key(), TrustStore(), "no more")
    _ask(identity)
    install_revocation(revocation)
    with pytest.raises(ConsentError, match=r"revoked on .*no more"):
        _ask(identity)


@pytest.mark.parametrize("purpose", [p for p in PURPOSES if p != "film"])
def test_another_purpose_is_refused(make_identity: IdentityMaker, purpose: str) -> None:
    with pytest.raises(ConsentError, match=f"does not cover the purpose '{purpose}', only film"):
        _ask(make_identity(), purpose=purpose)


@pytest.mark.parametrize("medium", MEDIA)
def test_media(make_identity: IdentityMaker, make_consent: ConsentMaker, medium: str) -> None:
    identity = make_identity(make_consent(media=[medium]))
    assert _ask(identity, medium=medium).medium == medium
    for other in set(MEDIA) - {medium}:
        with pytest.raises(ConsentError, match="does not cover the medium"):
            _ask(identity, medium=other)


@pytest.mark.parametrize(("name", "value"), [("purpose", "porn"), ("medium", "hologram")])
def test_unknown_words_are_refused(make_identity: IdentityMaker, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=value):
        _ask(make_identity(), **{name: value})


@pytest.mark.parametrize(
    ("targets", "statement", "fits"),
    [
        (["self"], "self", True),
        (["self"], "synthetic", False),
        (["synthetic"], "synthetic", True),
        (["covered-by-consent"], "covered-by-consent", True),
        (["covered-by-consent"], "self", False),
        (["any"], "self", True),
        (["any"], "covered-by-consent", True),
        (["self", "crowd scenes"], "covered-by-consent", False),
    ],
)
def test_targets(
    make_identity: IdentityMaker,
    make_consent: ConsentMaker,
    targets: list[str],
    statement: str,
    fits: bool,
) -> None:
    identity = make_identity(make_consent(targets=targets))
    target = TargetStatement.from_options(statement, None)
    if fits:
        assert _ask(identity, target=target).target_statement == statement
    else:
        with pytest.raises(ConsentError, match="does not permit a target"):
            _ask(identity, target=target)


def test_the_targets_own_consent(
    make_identity: IdentityMaker, make_consent: ConsentMaker, tmp_path: Path
) -> None:
    theirs = make_consent(subject="Bob", not_after=utc_now() + DAY)
    save_consent(theirs, tmp_path / "bob.json")
    target = TargetStatement.from_options(None, tmp_path / "bob.json")
    found = _ask(make_identity(), target=target)
    assert found.target_statement == f"consent:{theirs.id}"
    assert found.not_after == theirs.not_after
    named = make_identity(make_consent(targets=[f"consent:{theirs.id}"]))
    _ask(named, target=target)
    with pytest.raises(ConsentError, match="does not permit a target"):
        _ask(named)
    with pytest.raises(ConsentError, match="does not permit a target"):
        _ask(make_identity(make_consent(targets=["synthetic"])), target=target)
    install_revocation(new_revocation(theirs, operator_key(), TrustStore()))
    with pytest.raises(ConsentError, match=r"the target's consent \(Bob\) was revoked"):
        _ask(make_identity(), target=target)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"purposes": ["game"]}, "purpose"),
        ({"media": ["live"]}, "medium"),
        ({"not_before": utc_now() - 9 * DAY, "not_after": utc_now() - DAY}, "expired"),
    ],
)
def test_the_targets_consent_must_cover_it_too(
    make_identity: IdentityMaker, make_consent: ConsentMaker, terms: dict[str, Any], message: str
) -> None:
    theirs = make_consent(subject="Bob", **terms)
    target = TargetStatement(f"consent:{theirs.id}", theirs)
    with pytest.raises(ConsentError, match=rf"target's consent \(Bob\).*{message}"):
        _ask(make_identity(), target=target)


def test_somebody_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConsentError, match="say who is in the target"):
        TargetStatement.from_options(None, None)
    with pytest.raises(UsageError, match="not both"):
        TargetStatement.from_options("self", tmp_path / "c.json")
    with pytest.raises(UsageError, match="not 'any'"):
        TargetStatement.from_options("any", None)
    with pytest.raises(ConsentError, match="no consent at"):
        TargetStatement.from_options(None, tmp_path / "c.json")


def test_a_home_made_statement_gives_no_leave(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    identity = make_identity(make_consent(targets=["any"]))
    for target in (
        TargetStatement("any"),
        TargetStatement("consent:1"),
        TargetStatement("self", make_consent()),
        TargetStatement("consent:1", make_consent()),
    ):
        with pytest.raises(UsageError):
            _ask(identity, target=target)


def test_a_home_made_identity_gives_no_leave(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    vector = np.zeros(512, np.float32)
    vector[0] = 1
    stranger = dataclasses.replace(
        identity, recognisers={"ref_embedder": Embedding("ab" * 32, vector)}
    )
    with pytest.raises(IdentityError, match="changed"):
        _ask(stranger)
    wider = dataclasses.replace(identity.consent, purposes=PURPOSES)
    with pytest.raises(EdgeError, match="changed"):
        _ask(dataclasses.replace(identity, consent=wider), purpose="game")


def test_a_policy_can_require_more(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    strict = Policy("trusted-issuer")
    with pytest.raises(PolicyError, match=r"requires trusted-issuer.*Alice is self-attested"):
        _ask(make_identity(), policy=strict)
    office = Ed25519PrivateKey.generate()
    consent = make_consent(key=office, enrollers=(public_hex(operator_key()),))
    add_issuer(public_hex(office), "Office")
    identity = make_identity(consent)
    assert _ask(identity, policy=strict).assurance == "trusted-issuer"
    theirs = make_consent(subject="Bob")
    target = TargetStatement(f"consent:{theirs.id}", theirs)
    with pytest.raises(PolicyError, match="target's consent"):
        _ask(identity, policy=strict, target=target)


def test_a_synthetic_consent_permits_what_it_lists(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    identity = make_identity(make_consent(subject="nobody", claim="synthetic"))
    assert _ask(identity).assurance == "synthetic"
    with pytest.raises(ConsentError, match="purpose 'art'"):
        _ask(identity, purpose="art")
    with pytest.raises(PolicyError):
        _ask(identity, policy=Policy("agent-attested"))
