"""The terms of a consent: what a person is asked, and what no answer can permit."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.consent.canonical import FormError
from edge.errors import ConsentError
from edge.records import MEDIA, Medium, Purpose

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOBODY = "nobody"
"""Subject of a synthetic consent: the faces were rendered and are nobody's."""

Level = Literal["self-attested", "agent-attested", "trusted-issuer", "synthetic"]
LEVELS: tuple[Level, ...] = ("self-attested", "agent-attested", "trusted-issuer", "synthetic")

AdultBasis = Literal["date-of-birth", "statement"]
ADULT_AGE = 18
"""Years; younger subjects are refused whatever the consent says."""

TARGETS = ("self", "synthetic", "covered-by-consent", "any")
"""Words that permit something in a consent's list of targets; `consent:<id>` is the fifth.

`self`, `synthetic` and `covered-by-consent` permit the operator's statement of the same name, and
`covered-by-consent` also permits the target person's own consent file. `any` permits all of
these. Any other text is a note for people: it permits nothing.
"""
DEFAULT_TARGETS = ("self", "synthetic", "covered-by-consent")
DEFAULT_DAYS = 365
"""Validity when no end is given, in days."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a witness brings to a new consent.

    Attributes:
        name: The witness's name or number.
        key: The witness's private key.
        form_sha256: SHA-256 of the signed form or of the recorded statement, 64 hex digits.
    """

    name: str
    key: Ed25519PrivateKey
    form_sha256: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person agrees to: the form that a new consent is made from.

    Attributes:
        subject: Name or pseudonym of the person whose face may be swapped in.
        purposes: What for.
        adult: The answer to "is the subject 18 or older?".
        intimate: The answer to "is it for intimate or sexual use?".
        adult_basis: What the first answer rests on.
        media: Kinds of output permitted.
        targets: Statements about the target person that are permitted: see TARGETS.
        not_before: Start, UTC; now by default.
        not_after: End, UTC; DEFAULT_DAYS after the start by default.
        granted_by: Who grants it; the subject by default.
        claim: The level of assurance that the consent claims for itself.
    """

    subject: str
    purposes: Sequence[Purpose]
    adult: bool
    intimate: bool
    adult_basis: AdultBasis = "statement"
    media: Sequence[Medium] = MEDIA
    targets: Sequence[str] = DEFAULT_TARGETS
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    granted_by: str | None = None
    claim: Level = "self-attested"


def refuse_forbidden(*, adult: bool, intimate: bool) -> None:
    """Refuse what no consent can permit.

    Raises:
        ConsentError: The subject is under 18, or the use is intimate or sexual.
    """
    if not adult:
        raise ConsentError(
            f"refused: the subject is under {ADULT_AGE}, and no consent can permit that"
        )
    if intimate:
        raise ConsentError("refused: intimate or sexual use, and no consent can permit that")


def age_on(born: datetime.date, day: datetime.date) -> int:
    """Return the age in whole years on `day`; born on 29 February counts from 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def check_targets(targets: Sequence[str]) -> None:
    """Check that at least one of `targets` permits something.

    Raises:
        FormError: All of them are notes.
    """
    if not any(target in TARGETS or target.startswith("consent:") for target in targets):
        raise FormError(
            f"its targets permit nothing: name at least one of {', '.join(TARGETS)}, consent:<id>"
        )
