"""Open a bundle: all that must hold before anything in it is run, and then a `Swapper`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.builders import check_builder
from edge.bundle.checking import (
    Papers,
    cards_of,
    check_architecture,
    check_parts,
    consent_of,
    read_papers,
)
from edge.bundle.choice import Fit, fits_of, nothing_fits, ordered
from edge.bundle.contents import MODELS, Contents
from edge.bundle.holders import FolderHolder, ZipHolder, holder_of
from edge.bundle.seal import Seal, check_dates
from edge.bundle.tuning import Tuning, load_tuning
from edge.bundle.unpacking import unpack
from edge.cards import pick
from edge.consent.canonical import utc_now
from edge.consent.erase import register_derivative
from edge.consent.ledger import Ledger
from edge.consent.permit import check_in_force
from edge.consent.record import Consent
from edge.consent.refusals import recording_refusals
from edge.consent.sealed import AnyIdentity, SealedIdentity
from edge.consent.trust import load_trust
from edge.contracts import Card, Kind
from edge.errors import BackendError, ModelError, OutputError, UsageError
from edge.registry import check_file
from edge.shelf import Shelf
from edge.targets import with_options

if TYPE_CHECKING:
    from edge.consent.identity import Identity
    from edge.records import LabelLanguage, LabelStyle, Purpose
    from edge.swap import Engines, Swapper

__all__ = ["Bundle", "BundledModels", "open_bundle"]


@dataclass(frozen=True, slots=True, eq=False)
class BundledModels(Shelf):
    """The models of an open bundle.

    Attributes:
        where: The bundle as the user named it.
        folder: Where its model files lie.
        held: Its cards, by name.
        seal: Its seal, for the date on which it ends.
        bundle: Its id.
    """

    where: str
    folder: Path
    held: Mapping[str, Card] = field(repr=False)
    seal: Seal
    bundle: str = ""

    def cards(self) -> Mapping[str, Card]:
        """Return every card of the bundle, by name."""
        return self.held

    def find(self, name: str, kind: Kind | None = None) -> Card:
        """Return a card of the bundle by its name; see `Shelf.find`."""
        return pick(self.held, name, kind)

    def file_of(self, card: Card) -> Path | None:
        """Return the bundle's file that a card means; see `Shelf.file_of`."""
        path = self.folder / card.file
        return path if path.is_file() else None

    def locate(self, card: Card) -> Path:
        """Return the bundle's file that a card means; see `Shelf.locate`."""
        path = self.file_of(card)
        if path is None:
            raise ModelError(f"model {card.name}: the bundle {self.where} holds no {card.file}")
        return check_file(card, path)

    def check_in_force(self) -> None:
        """Check that the bundle has not expired; see `Shelf.check_in_force`."""
        check_dates(self.seal, self.where, utc_now())


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """An open bundle: whole, signed by somebody who is trusted here, in force, for this machine.

    Attributes:
        path: The bundle as the user named it.
        folder: Where its files lie.
        contents: What bundle.toml says.
        seal: What bundle.sig says.
        signer: Name of whoever signed it.
        consent: Consent of whoever is baked in; None where nobody is.
        cards: Its cards, by name.
        fits: The ways to run it, in the order in which they are tried.
        threads: Threads by the name of a way, as `edge tune` found them.
        notes: What the user should know, one sentence each.
        cores: Cores to stay on by the name of a way, likewise.
    """

    path: Path
    folder: Path
    contents: Contents
    seal: Seal
    signer: str
    consent: Consent | None
    cards: Mapping[str, Card]
    fits: tuple[Fit, ...]
    threads: Mapping[str, int]
    notes: tuple[str, ...] = ()
    cores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def shelf(self) -> BundledModels:
        """Where its models come from."""
        return BundledModels(
            str(self.path), self.folder / MODELS, self.cards, self.seal, self.contents.id
        )

    def providers(self, fit: Fit) -> tuple[str, ...]:
        """Return the providers of a way, with the options of this device's own target profile.

        Names are the bundle's; what they are opened with is not a stranger's to say.
        """
        variant = fit.variant
        return with_options(self.contents.target, variant.name, variant.providers)

    def swapper(
        self,
        *,
        purpose: Purpose,
        target_is: str | None = None,
        target_consent: Path | None = None,
        identity: Identity | Path | str | None = None,
        faces: str = "all",
        match: Path | None = None,
        source_picture: Path | None = None,
        threads: int | None = None,
        min_score: float | None = None,
        boost: int = 1,
        look_every: int = 0,
        label_language: LabelLanguage | None = None,
        label_style: LabelStyle = "words",
        ledger: Ledger | None = None,
    ) -> Swapper:
        """Return a swapper with the bundle's models, run in the first way that works here.

        The consent, revocations and the bundle's own end are checked again for every output.

        Args:
            purpose: See `edge.Swapper`, as for all that is not named here.
            target_is: Statement about the person in the target.
            target_consent: That person's own consent file, instead.
            identity: Who is swapped in, for a bundle without an identity of its own.
            faces: Which faces are swapped.
            match: Picture of the one person to swap, instead. A bundle needs no recogniser, and
                holds none: faces are compared by the device's own.
            source_picture: Picture of the source, for a model that takes one.
            threads: Threads per engine; by default what the bundle, or `edge tune`, says.
            min_score: Least detector score.
            boost: How many times as large as the model's own the crops are.
            look_every: Of a video's frames, how often the whole is looked at.
            label_language: Language of the visible label.
            label_style: How it is drawn.
            ledger: The ledger to write to.

        Raises:
            UsageError: An identity is given to a bundle that holds one, or none to one without.
            BundleError: No way of running it works here; says why of each.
            ConsentError: There is no valid consent for this.
        """
        from edge.swap import Swapper

        who = self._who(identity)
        shelf = self.shelf
        fits = list(self.fits)
        for place, fit in enumerate(fits):
            if fit.reason:
                continue
            try:
                return Swapper(
                    who,
                    purpose=purpose,
                    target_is=target_is,
                    target_consent=target_consent,
                    faces=faces,
                    match=match,
                    source_picture=source_picture,
                    engines=replace(
                        self._engines(fit, threads),
                        min_score=min_score,
                        boost=boost,
                        look_every=look_every,
                    ),
                    label_language=label_language,
                    label_style=label_style,
                    ledger=ledger,
                    shelf=shelf,
                )
            except (BackendError, ModelError) as error:
                # The engine is there, and does not work, or not with this file: the next one may.
                fits[place] = Fit(fit.variant, str(error))
        raise nothing_fits(str(self.path), fits)

    def _who(self, identity: Identity | Path | str | None) -> AnyIdentity | Path | str:
        if self.consent is not None:
            if identity is not None:
                raise UsageError(
                    f"{self.path}: holds the identity of {self.consent.subject} and no other: "
                    "leave out --identity"
                )
            return SealedIdentity(self.consent, self.contents.identity)
        if identity is None:
            raise UsageError(f"{self.path}: holds no identity: give one with --identity FILE")
        return identity

    def _engines(self, fit: Fit, threads: int | None) -> Engines:
        from edge.machine import this_machine
        from edge.swap import Engines

        variant = fit.variant
        stated = self.threads.get(variant.name, variant.threads)
        return Engines(
            model=variant.card,
            detector=self.contents.detector,
            backend=variant.engine,
            providers=self.providers(fit),
            threads=min(stated, this_machine().cores) if threads is None else threads,
            masks=self.contents.masks,
            cores=self.cores.get(variant.name, ()) if threads is None else (),
        )


def open_bundle(path: Path | str, *, ledger: Ledger | None = None) -> Bundle:
    """Open a bundle, and check all that must hold before anything in it is run.

    A .zip file is unpacked into the user's cache once its seal has been found good. A refusal gets
    its line in the ledger.

    Args:
        path: A bundle's folder, or its .zip file.
        ledger: The ledger to write refusals to; the device's own by default.

    Returns:
        The bundle.

    Raises:
        BundleError: It is damaged, was changed, is not signed by a key that is trusted here, has
            expired, or is for another kind of device; or nothing in it runs here.
        ConsentError: The consent of whoever is baked in is not in force.
        OutputError: The disk is too full to unpack it.
    """
    place = Path(path)
    book = Ledger() if ledger is None else ledger
    with recording_refusals(book, {"bundle": str(place)}) as names:
        holder = holder_of(place)
        papers = read_papers(holder)
        signer = check_builder(papers.seal.key, holder.where)
        consent = _in_force(holder, papers, utc_now(), names)
        check_architecture(papers.contents, holder.where)
        folder = _checked_folder(holder, papers.contents)
        cards = cards_of(folder, papers.contents, holder.where)
        fits, tuning, notes = _ways(place, papers.contents)
        if all(fit.reason for fit in fits):
            raise nothing_fits(holder.where, fits)
    if consent is not None:
        _remember(papers.contents, place)
    return Bundle(
        place,
        folder,
        papers.contents,
        papers.seal,
        signer,
        consent,
        cards,
        fits,
        {} if tuning is None else tuning.threads,
        notes,
        {} if tuning is None else tuning.cores,
    )


def _in_force(
    holder: FolderHolder | ZipHolder, papers: Papers, now: datetime.datetime, names: list[str]
) -> Consent | None:
    """Check dates and revocations, as far as they are the bundle's own."""
    check_dates(papers.seal, holder.where, now)
    consent = consent_of(holder, papers)
    if consent is not None:
        names.append(consent.subject)
        whose = f"the consent of {consent.subject}"
        check_in_force(consent, whose, now=now, trust=load_trust())
    return consent


def _checked_folder(holder: FolderHolder | ZipHolder, contents: Contents) -> Path:
    if isinstance(holder, ZipHolder):
        return unpack(holder, contents)
    check_parts(holder, contents)
    return holder.folder


def _ways(path: Path, contents: Contents) -> tuple[tuple[Fit, ...], Tuning | None, tuple[str, ...]]:
    tuning, note = load_tuning(path, contents)
    fits = fits_of(contents)
    notes = (note,) if note else ()
    if tuning is None:
        return fits, None, notes
    return ordered(fits, tuning.order), tuning, notes


def _remember(contents: Contents, path: Path) -> None:
    """Note where a copy of the bundle lies, so that erasing the identity erases it too."""
    with contextlib.suppress(OutputError):  # then the ledger cannot be written either, and says so
        register_derivative(contents.identity, path)
