"""What can be said of a bundle without running anything of it: also of one that is not trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bundle.builders import check_builder, name_of_builder
from edge.bundle.checking import Papers, check_architecture, check_parts, consent_of, read_papers
from edge.bundle.choice import Fit, fits_of, ordered
from edge.bundle.contents import CARDS
from edge.bundle.holders import FolderHolder, ZipHolder, holder_of
from edge.bundle.seal import check_dates
from edge.bundle.tuning import load_tuning
from edge.consent.canonical import utc_now, utc_text
from edge.consent.permit import check_in_force
from edge.consent.record import Consent
from edge.consent.summary import summary
from edge.consent.trust import load_trust
from edge.errors import BundleError, EdgeError

__all__ = ["Inspection", "inspect_bundle"]

_QUALITY = "quality.json"
_MOST_QUALITY = 8 << 20
_MOST_CARD = 64 << 10


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A bundle as it was found.

    Attributes:
        where: The bundle as the user named it.
        papers: Its contents and its seal, which belong together.
        signer: Name of the trusted builder that signed it; None where it is nobody's.
        consent: Of whoever is baked in; None where nobody is, or where it cannot be read.
        fits: The ways to run it, in the order in which they are tried, with what speaks against.
        models: Name, precision, licence and commercial use of each model, as its card has them.
        quality: What its quality report says; empty where it holds none that can be read.
        problems: What keeps it from being run here, one sentence each; empty where nothing does.
        notes: What else there is to know.
    """

    where: str
    papers: Papers
    signer: str | None
    consent: Consent | None
    fits: tuple[Fit, ...]
    models: tuple[Mapping[str, str], ...]
    quality: Mapping[str, Any] = field(repr=False)
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        contents, seal = self.papers.contents, self.papers.seal
        return {
            "bundle": self.where,
            "id": contents.id,
            "made_with": contents.made_with,
            "target": contents.target,
            "title": contents.title,
            "architecture": contents.architecture,
            "precision": contents.precision,
            "signed_by": seal.key,
            "signer": self.signer,
            "signed": utc_text(seal.signed),
            "expires": utc_text(seal.expires),
            "identity": contents.identity or None,
            "consent": None if self.consent is None else summary(self.consent),
            "models": [dict(model) for model in self.models],
            "ways": [
                {"name": fit.variant.name, "card": fit.variant.card, "in_the_way": fit.reason}
                for fit in self.fits
            ],
            "quality": quality_rows(self.quality),
            "files": len(contents.parts),
            "size": contents.size,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def inspect_bundle(path: Path) -> Inspection:
    """Look at a bundle; nothing in it is run, unpacked or trusted.

    Args:
        path: Its folder, or its .zip file.

    Returns:
        What was found.

    Raises:
        BundleError: It is no bundle, or its seal is not its own: then nothing that it says counts.
    """
    holder = holder_of(path)
    papers = read_papers(holder)
    contents = papers.contents
    problems: list[str] = []

    def look(check: Callable[[], object]) -> None:
        try:
            check()
        except EdgeError as error:
            problems.append(str(error).removeprefix(f"{holder.where}: "))

    look(lambda: check_parts(holder, contents))
    whole = not problems
    consent = _consent(holder, papers) if whole else None
    models = _models(holder, papers) if whole else ()
    quality = _quality(holder, papers) if whole else {}
    look(lambda: check_builder(papers.seal.key, holder.where))
    look(lambda: check_dates(papers.seal, holder.where, utc_now()))
    if contents.identity:
        look(lambda: _check_consent(holder, papers))
    look(lambda: check_architecture(contents, holder.where))
    tuning, note = load_tuning(path, contents)
    fits = ordered(fits_of(contents), () if tuning is None else tuning.order)
    if all(fit.reason for fit in fits):
        problems.append("none of the ways to run it works here")
    return Inspection(
        where=holder.where,
        papers=papers,
        signer=name_of_builder(papers.seal.key),
        consent=consent,
        fits=fits,
        models=models,
        quality=quality,
        problems=tuple(problems),
        notes=(note,) if note else (),
    )


def _consent(holder: FolderHolder | ZipHolder, papers: Papers) -> Consent | None:
    try:
        return consent_of(holder, papers)
    except EdgeError:
        return None  # the check of it says why


def _check_consent(holder: FolderHolder | ZipHolder, papers: Papers) -> None:
    consent = consent_of(holder, papers)
    if consent is not None:
        whose = f"the consent of {consent.subject}"
        check_in_force(consent, whose, now=utc_now(), trust=load_trust())


def _models(holder: FolderHolder | ZipHolder, papers: Papers) -> tuple[Mapping[str, str], ...]:
    import tempfile

    from edge.cards import load_card

    found = []
    with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
        copy = Path(folder) / "card.toml"
        for part in papers.contents.parts:
            if part.path.startswith(f"{CARDS}/") and part.size <= _MOST_CARD:
                copy.write_bytes(holder.read(part.path, _MOST_CARD))
                try:
                    card = load_card(copy)
                except EdgeError as error:
                    raise BundleError(f"{holder.where}: {part.path}: {error}") from error
                found.append(
                    {
                        "name": card.name,
                        "kind": card.kind,
                        "precision": card.precision,
                        "size": card.size_text,
                        "licence": card.licence.name,
                        "commercial": card.licence.commercial,
                    }
                )
    return tuple(found)


def _quality(holder: FolderHolder | ZipHolder, papers: Papers) -> Mapping[str, Any]:
    if papers.contents.part(_QUALITY) is None:
        return {}
    try:
        report = json.loads(holder.read(_QUALITY, _MOST_QUALITY))
    except (ValueError, RecursionError, BundleError):
        return {}
    return report if isinstance(report, dict) else {}


def quality_rows(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return PSNR and SSIM of the worst picture by format, as far as a report states them."""
    rows: dict[str, dict[str, float]] = {}
    formats = report.get("formats")
    for form, facts in formats.items() if isinstance(formats, dict) else ():
        quality = facts.get("quality") if isinstance(facts, dict) else None
        worst = quality.get("worst") if isinstance(quality, dict) else None
        if isinstance(worst, dict):
            figures = {key: _figure(worst.get(key)) for key in ("psnr", "ssim")}
            rows[str(form)[:20]] = {k: value for k, value in figures.items() if value is not None}
    return rows


def _figure(value: object) -> float | None:
    """Return a finite number as a float; None for all else: JSON has no other numbers."""
    try:
        figure = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:  # it has more digits than a float holds
        return None
    return figure if math.isfinite(figure) else None
