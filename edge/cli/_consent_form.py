"""The form of `edge consent new`: from options, and from questions where a person is there."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge.consent.canonical import FormError, parse_utc, utc_now
from edge.consent.chain import file_sha256
from edge.consent.signing import load_private_key
from edge.consent.terms import (
    ADULT_AGE,
    DEFAULT_DAYS,
    DEFAULT_TARGETS,
    NOBODY,
    AdultBasis,
    Attestation,
    Level,
    Terms,
    age_on,
    check_targets,
    refuse_forbidden,
)
from edge.errors import MediaError, UsageError
from edge.records import MEDIA, PURPOSES, Medium, Purpose

_YES = {"yes", "y", "true"}
_NO = {"no", "n", "false"}
_MAX_DAYS = 36525  # a hundred years: longer than any consent makes sense


@dataclass(frozen=True, slots=True)
class Form:
    """The form, filled in.

    Attributes:
        terms: What is agreed to.
        photos: The source pictures.
        attestation: The witness, or None.
    """

    terms: Terms
    photos: tuple[Path, ...]
    attestation: Attestation | None


def read_form(arguments: argparse.Namespace) -> Form:
    """Fill in the form.

    Raises:
        UsageError: An answer is missing and nobody is there to ask, or it makes no sense.
        ConsentError: The subject is under 18, or the use is intimate.
        KeyStoreError: The witness's key cannot be read.
    """
    subject = _subject(arguments)
    adult, basis = _adult(arguments)
    intimate = _answer(
        arguments.intimate, "--intimate", "Is it for intimate or sexual use? (yes/no)"
    )
    # Before anything else is asked: nothing else could change it.
    refuse_forbidden(adult=adult, intimate=intimate)
    attestation = _attestation(arguments)
    start, end = _validity(arguments)
    terms = Terms(
        subject=subject,
        purposes=cast(
            "Sequence[Purpose]",
            _words(
                arguments.purpose or [_ask("--purpose", f"What for? ({', '.join(PURPOSES)})")],
                "purpose",
                PURPOSES,
            ),
        ),
        adult=adult,
        intimate=intimate,
        adult_basis=basis,
        media=cast("Sequence[Medium]", _words(arguments.media or MEDIA, "medium", MEDIA)),
        targets=_targets(arguments.targets),
        not_before=start,
        not_after=end,
        granted_by=arguments.granted_by,
        claim=_claim(arguments, attestation),
    )
    photos = arguments.photos or _paths(
        _ask("--photos", "Source pictures? (paths, in quotes if they hold spaces)")
    )
    return Form(terms, tuple(Path(photo) for photo in photos), attestation)


def _ask(option: str, question: str) -> str:
    """Ask the person at the terminal; without one the option is missing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{option} is missing: {question}")
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if not answer:
        raise UsageError(f"{option} is missing: no answer was given")
    return answer


def _paths(text: str) -> list[str]:
    """Split an answer into paths, as a shell would."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--photos: {text}: a quote is not closed") from error


def _answer(given: str | None, option: str, question: str) -> bool:
    text = (given if given is not None else _ask(option, question)).strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise UsageError(f"{option} is answered with yes or no, not '{text}'")


def _subject(arguments: argparse.Namespace) -> str:
    given: str | None = arguments.subject
    if arguments.synthetic:
        if given not in (None, NOBODY):
            raise UsageError(f"a synthetic consent is of {NOBODY}: leave --subject out")
        return NOBODY
    if given == NOBODY:
        raise UsageError(f"the subject '{NOBODY}' is for rendered faces: give --synthetic")
    return given if given is not None else _ask("--subject", "Whose face? (name or pseudonym)")


def _adult(arguments: argparse.Namespace) -> tuple[bool, AdultBasis]:
    if arguments.born is not None:
        born = _day(arguments.born, "--born")
        today = utc_now().date()
        if born > today:
            raise UsageError(f"--born {arguments.born} is in the future")
        return age_on(born, today) >= ADULT_AGE, "date-of-birth"
    who = "Were the faces rendered as of" if arguments.synthetic else "Is the subject"
    question = f"{who} {ADULT_AGE} years or older? (yes/no)"
    return _answer(arguments.adult, "--adult", question), "statement"


def _day(text: str, option: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is a day like 2026-01-31, not '{text}'") from error


def _words(given: Sequence[str], name: str, allowed: Sequence[str]) -> list[str]:
    words = _split(given)
    for word in words:
        if word not in allowed:
            raise UsageError(f"no {name} '{word}'; known: {', '.join(allowed)}")
    return words


def _split(given: Sequence[str]) -> list[str]:
    return [word.strip() for item in given for word in item.split(",") if word.strip()]


def _targets(given: Sequence[str] | None) -> tuple[str, ...]:
    targets = tuple(_split(given)) if given else DEFAULT_TARGETS
    try:
        check_targets(targets)
    except FormError as error:
        raise UsageError(f"--targets: {error}") from error
    return targets


def _validity(
    arguments: argparse.Namespace,
) -> tuple[datetime.datetime, datetime.datetime]:
    start = utc_now() if arguments.start is None else _moment(arguments.start, "--from", 0)
    if arguments.end is not None:
        end = _moment(arguments.end, "--to", 24 * 3600 - 1)
    else:
        days = DEFAULT_DAYS if arguments.days is None else arguments.days
        if not 0 < days <= _MAX_DAYS:
            raise UsageError(f"--days is a number from 1 to {_MAX_DAYS}, not {days}")
        try:
            end = start + datetime.timedelta(days=days)
        except OverflowError as error:
            raise UsageError("the consent would end after the year 9999") from error
    if end <= start:
        raise UsageError("the consent ends before it starts: check --from and --to")
    return start, end


def _moment(text: str, option: str, seconds: int) -> datetime.datetime:
    """Read a day, or a UTC time; of a day take the second number `seconds`."""
    if "T" in text:
        try:
            return parse_utc(text)
        except FormError as error:
            raise UsageError(f"{option}: {error}") from error
    start = datetime.datetime.combine(
        _day(text, option), datetime.time(), tzinfo=datetime.timezone.utc
    )
    return start + datetime.timedelta(seconds=seconds)


def _attestation(arguments: argparse.Namespace) -> Attestation | None:
    if arguments.witness_key is None:
        if arguments.witness_name or arguments.form:
            raise UsageError("--witness-name and --form go with --witness-key")
        return None
    if arguments.form is None:
        raise UsageError("--form is missing: the signed form or the recorded statement")
    if arguments.synthetic:
        raise UsageError("a synthetic consent has no witness: nobody is there to consent")
    name = arguments.witness_name or Path(arguments.witness_key).stem
    form = file_sha256(Path(arguments.form))
    if form is None:
        raise MediaError(f"cannot read the form {arguments.form}: check the path")
    return Attestation(name, load_private_key(Path(arguments.witness_key)), form)


def _claim(arguments: argparse.Namespace, attestation: Attestation | None) -> Level:
    if arguments.synthetic:
        return "synthetic"
    if attestation is not None:
        return "agent-attested"
    if arguments.key is not None:
        return "trusted-issuer"
    return "self-attested"
