"""The checks of a bundle, one by one, in the order of docs/spec/bundle-1.md."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.contents import (
    CARDS,
    CONSENT,
    CONTENTS,
    MODELS,
    MOST_CONTENTS,
    SEAL,
    Contents,
    parse_contents,
)
from edge.bundle.holders import Holder, digest_of
from edge.bundle.seal import MOST_SEAL, Seal, check_seal, parse_seal
from edge.cards import load_card
from edge.consent.canonical import utc_text
from edge.consent.record import Consent, parse_consent
from edge.consent.storage import MAX_RECORD
from edge.contracts import Card
from edge.errors import BundleError, CardError

__all__ = [
    "Papers",
    "cards_of",
    "check_architecture",
    "check_names",
    "check_parts",
    "consent_of",
    "read_papers",
]


@dataclass(frozen=True, slots=True)
class Papers:
    """What a bundle says about itself, its seal checked against it.

    Attributes:
        contents: bundle.toml.
        seal: bundle.sig; whether its key is trusted is not known yet.
    """

    contents: Contents
    seal: Seal


def read_papers(holder: Holder) -> Papers:
    """Read contents and seal, and check that they belong together.

    Raises:
        BundleError: One is missing or malformed, or the seal is not that of the contents.
    """
    contents = parse_contents(holder.read(CONTENTS, MOST_CONTENTS), holder.where)
    seal = parse_seal(holder.read(SEAL, MOST_SEAL), holder.where)
    check_seal(seal, contents.id, holder.where)
    return Papers(contents, seal)


def consent_of(holder: Holder, papers: Papers) -> Consent | None:
    """Return the consent of whoever is baked in, its signatures checked; None where nobody is.

    Whether it is in force is asked with every output: see `edge.consent.permit`.

    Raises:
        BundleError: It is another one than bundle.toml says, or ends before the seal does.
        ConsentError: It was changed after it was signed.
    """
    contents, where = papers.contents, holder.where
    part = contents.part(CONSENT)
    if part is None:
        return None
    data = holder.read(CONSENT, min(part.size, MAX_RECORD))
    consent = parse_consent(data, f"{where}: {CONSENT}")
    if consent.id != contents.consent:
        raise BundleError(f"{where}: {CONSENT} is not the consent that bundle.toml names")
    if papers.seal.expires > consent.not_after:
        raise BundleError(
            f"{where}: its seal outlives the consent, which ends on {utc_text(consent.not_after)}"
        )
    return consent


def check_architecture(contents: Contents, where: str, machine: str = "") -> None:
    """Check that a bundle was built for a processor like this one.

    Args:
        contents: Of the bundle.
        where: The bundle as the user named it.
        machine: As the kernel names the processor; this machine's by default.

    Raises:
        BundleError: It was built for another target.
    """
    here = machine or platform.machine()
    if contents.architecture != here:
        raise BundleError(
            f"{where}: was built for {contents.target} ({contents.architecture}), and this is "
            f"{here}: build it with another --target"
        )


def check_names(holder: Holder, contents: Contents) -> None:
    """Check that a bundle holds no file that bundle.toml does not name.

    Raises:
        BundleError: It does.
    """
    named = {part.path for part in contents.parts}
    extra = holder.names() - named - {CONTENTS, SEAL}
    if extra:
        raise BundleError(
            f"{holder.where}: {min(extra)[:200]} is no part of the bundle: remove it, or get the "
            "bundle again"
        )


def check_parts(holder: Holder, contents: Contents) -> None:
    """Check that a bundle holds exactly the files that bundle.toml names, byte for byte.

    Raises:
        BundleError: A file is missing, was changed, or is not named.
    """
    where = holder.where
    check_names(holder, contents)
    for part in contents.parts:
        if digest_of(holder, part.path, part.size) != (part.sha256, part.size):
            raise BundleError(
                f"{where}: {part.path} was changed after the bundle was signed: get the bundle "
                "again"
            )


def cards_of(folder: Path, contents: Contents, where: str) -> Mapping[str, Card]:
    """Return the cards of a bundle whose parts were checked.

    Args:
        folder: Where the bundle lies.
        contents: Of the bundle.
        where: The bundle as the user named it.

    Returns:
        Cards by name.

    Raises:
        BundleError: A card is missing or malformed, or means a file that is not there.
    """
    found: dict[str, Card] = {}
    for part in contents.parts:
        if not part.path.startswith(f"{CARDS}/"):
            continue
        try:
            card = load_card(folder / part.path)
        except CardError as error:
            raise BundleError(f"{where}: {error}") from error
        if card.name in found:
            raise BundleError(f"{where}: two cards are named '{card.name}'")
        found[card.name] = card
    wanted = {contents.detector, *contents.masks, *(each.card for each in contents.variants)}
    missing = wanted - set(found)
    if missing:
        raise BundleError(f"{where}: holds no card '{min(missing)[:80]}'")
    for name in sorted(wanted):
        card, part_of = found[name], contents.part(f"{MODELS}/{found[name].file}")
        if part_of is None or part_of.sha256 != card.sha256:
            raise BundleError(f"{where}: holds no file that its card '{name[:80]}' means")
    return found


def leaves(seal: Seal, now: datetime.datetime) -> int:
    """Return in how many days a seal ends; below 0 where it has ended."""
    return (seal.expires - now).days
