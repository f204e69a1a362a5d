"""Leave to swap: the only maker of `edge.records.Permit`.

The order of the checks: the identity is whole, its consent is unrevoked and valid now, covers
purpose and medium, permits the statement about the target person, and satisfies the policy.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from edge.consent.canonical import utc_now, utc_text
from edge.consent.identity import Identity, check_identity
from edge.consent.operator import operator_public_key
from edge.consent.policy import Policy, check_assurance, load_policy
from edge.consent.record import Consent, check_signatures, load_consent
from edge.consent.revocation import revocation_state
from edge.consent.sealed import AnyIdentity
from edge.consent.trust import TrustStore, assurance_of, load_trust
from edge.errors import ConsentError, UsageError
from edge.records import MEDIA, PURPOSES, Medium, Permit, Purpose

STATEMENTS = ("self", "synthetic", "covered-by-consent")
"""What the operator can state about the person in the target without that person's consent file."""


@dataclass(frozen=True, slots=True)
class TargetStatement:
    """The operator's statement about the person in the target.

    Attributes:
        statement: self, synthetic or covered-by-consent; consent:<id> with `consent`.
        consent: The target person's own consent, or None.
    """

    statement: str
    consent: Consent | None = None

    @classmethod
    def from_options(
        cls, target_is: str | None, target_consent: str | Path | None
    ) -> TargetStatement:
        """Make the statement from `--target-is` and `--target-consent`.

        Raises:
            UsageError: Both are given, or an unknown word.
            ConsentError: Neither is given, or the consent file is not valid.
        """
        if target_is is not None and target_consent is not None:
            raise UsageError("give --target-is or --target-consent, not both")
        if target_consent is not None:
            consent = load_consent(target_consent)
            return cls(f"consent:{consent.id}", consent)
        if target_is is None:
            raise ConsentError(
                "refused: say who is in the target picture, with --target-consent FILE or "
                f"--target-is {'|'.join(STATEMENTS)}"
            )
        if target_is not in STATEMENTS:
            raise UsageError(f"--target-is is one of {', '.join(STATEMENTS)}, not '{target_is}'")
        return cls(target_is)


def permit(
    identity: AnyIdentity,
    *,
    purpose: Purpose,
    medium: Medium,
    target: TargetStatement,
    now: datetime.datetime | None = None,
    policy: Policy | None = None,
    trust: TrustStore | None = None,
) -> Permit:
    """Give leave to swap `identity` into one output, or refuse with the reason.

    Args:
        identity: Who is swapped in.
        purpose: What for.
        medium: Kind of output.
        target: Who is in the target, as the operator states.
        now: The time, UTC; the clock's by default.
        policy: The deployment's policy; this device's by default.
        trust: The trusted issuers; this device's by default.

    Raises:
        ConsentError: There is no valid consent for this.
        IdentityError: The identity was changed.
        PolicyError: The policy forbids it, or cannot be read.
        UsageError: No such purpose or medium.
    """
    _check_words(purpose, medium)
    moment = now or utc_now()
    trusted = load_trust() if trust is None else trust
    rules = load_policy() if policy is None else policy
    operator = operator_public_key()
    consent = identity.consent
    whose = f"the consent of {consent.subject}"
    if isinstance(identity, Identity):
        check_identity(identity, f"the identity of {identity.subject}")
    else:
        check_signatures(consent, whose)
    check_in_force(consent, whose, now=moment, trust=trusted)
    _check_covers(consent, whose, purpose, medium)
    _check_target(consent, target)
    assurance = assurance_of(consent, trusted, operator)
    check_assurance(rules, assurance, whose)
    end = consent.not_after
    if target.consent is not None:
        other = f"the target's consent ({target.consent.subject})"
        check_signatures(target.consent, other)
        check_in_force(target.consent, other, now=moment, trust=trusted)
        _check_covers(target.consent, other, purpose, medium)
        check_assurance(rules, assurance_of(target.consent, trusted, operator), other)
        end = min(end, target.consent.not_after)
    return Permit(
        consent_id=consent.id,
        assurance=assurance.level,
        purpose=purpose,
        medium=medium,
        identity_commitment=identity.commitment,
        target_statement=target.statement,
        not_after=end,
    )


def check_in_force(
    consent: Consent, whose: str, *, now: datetime.datetime, trust: TrustStore
) -> None:
    """Check that a consent is unrevoked and valid at the time `now`.

    Args:
        consent: The consent.
        whose: What to call it in the message.
        now: The time, UTC.
        trust: The trusted issuers, who may revoke it.

    Raises:
        ConsentError: It is revoked, expired or not valid yet, or a revocation of it is damaged.
    """
    state = revocation_state(consent, trust)
    revoked = state.honoured
    if revoked is None and state.damaged:
        raise ConsentError(
            f"refused: a revocation of {whose} may be in force but is damaged: "
            f"{state.damaged[0]}; import it again"
        )
    if revoked is not None:
        raise ConsentError(
            f"refused: {whose} was revoked on {utc_text(revoked.revoked_at)} ({revoked.reason})"
        )
    if now < consent.not_before:
        raise ConsentError(
            f"refused: {whose} is not valid yet; it starts on {utc_text(consent.not_before)}, "
            f"and it is {utc_text(now)}"
        )
    if now > consent.not_after:
        raise ConsentError(
            f"refused: {whose} expired on {utc_text(consent.not_after)}; ask for a new one"
        )


def _check_words(purpose: str, medium: str) -> None:
    if purpose not in PURPOSES:
        raise UsageError(f"no purpose '{purpose}'; known: {', '.join(PURPOSES)}")
    if medium not in MEDIA:
        raise UsageError(f"no medium '{medium}'; known: {', '.join(MEDIA)}")


def _check_covers(consent: Consent, whose: str, purpose: Purpose, medium: Medium) -> None:
    if purpose not in consent.purposes:
        raise ConsentError(
            f"refused: {whose} does not cover the purpose '{purpose}', "
            f"only {', '.join(consent.purposes)}"
        )
    if medium not in consent.media:
        raise ConsentError(
            f"refused: {whose} does not cover the medium '{medium}', "
            f"only {', '.join(consent.media)}"
        )


def _check_target(consent: Consent, target: TargetStatement) -> None:
    """Check the statement against the consent's targets, as `record.TARGETS` says."""
    has_file = target.consent is not None
    if has_file != target.statement.startswith("consent:") or not (
        has_file or target.statement in STATEMENTS
    ):
        raise UsageError("make the target statement with TargetStatement.from_options")
    if target.consent is not None and target.statement != f"consent:{target.consent.id}":
        raise UsageError("make the target statement with TargetStatement.from_options")
    wanted = {"any", target.statement}
    if has_file:
        wanted.add("covered-by-consent")
    if not wanted & set(consent.targets):
        raise ConsentError(
            f"refused: the consent of {consent.subject} does not permit a target that is "
            f"'{target.statement}', only {', '.join(consent.targets)}"
        )
