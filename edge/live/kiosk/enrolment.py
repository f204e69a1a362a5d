"""From a form and a camera to an identity: pictures, consent, embedding, one under the other."""

from __future__ import annotations

import datetime
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.consent.canonical import utc_now
from edge.consent.enrol import CLEARLY_DIFFERENT, Photo, Recogniser, enrol
from edge.consent.identity import Identity, save_identity
from edge.consent.operator import operator_key
from edge.consent.record import new_consent
from edge.consent.signing import unlock_private_key
from edge.consent.store import keep_consent
from edge.consent.terms import Attestation, Terms
from edge.consent.trust import load_trust
from edge.errors import KeyStoreError, WrongPassphrase
from edge.faces.quality import check_photo
from edge.live.kiosk.form import Answers, keep_form
from edge.live.kiosk.visit import Place
from edge.live.sources.base import SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.consent.ledger import Ledger
    from edge.faces.detect import Detector
    from edge.faces.embed import Embedder
    from edge.live.sources.base import Source
    from edge.records import Purpose

PICTURES = 3
"""Pictures that are taken of a visitor."""

APART = 0.4
"""Seconds between them, so that they are not one and the same."""

PATIENCE = 12.0
"""Seconds that the camera may take for a picture, to open included; a slow one takes three."""

_TRIES = 3  # rounds of pictures until one is good enough


@dataclass(frozen=True, slots=True)
class Desk:
    """What a kiosk needs to take somebody in.

    Attributes:
        open_source: Opens the camera.
        detector: Finds faces.
        embedder: Embeds them, for the swap model that will run.
        purpose: What visits are for.
        minutes: How long one may last.
        agent: The attendant's name.
        agent_key: The attendant's key, a PEM file with a passphrase.
        page: The page that the form is on, as it is sent.
        ledger: Where enrolments are entered.
    """

    open_source: Callable[[], Source]
    detector: Detector
    embedder: Embedder
    purpose: Purpose
    minutes: float
    agent: str
    agent_key: Path
    page: bytes
    ledger: Ledger


def take_in(desk: Desk, answers: Answers, place: Place) -> Identity:
    """Take pictures, make the consent and the identity.

    Args:
        desk: What is needed.
        answers: The form.
        place: Where things lie while the visit lasts.

    Raises:
        KeyStoreError: The passphrase is wrong; nothing was taken then.
        NoFaceError: A picture shows no face.
        FaceCountError: A picture shows several.
        PhotoError: A picture is too poor.
        EdgeError: The camera, the disk or the ledger does not do its part.
    """
    key = unlock_private_key(desk.agent_key, answers.passphrase)
    frames = take_pictures(desk)
    paths = place.keep(frames)
    form = keep_form(
        desk.page,
        subject=answers.subject,
        purpose=desk.purpose,
        minutes=desk.minutes,
        agent=desk.agent,
    )
    terms = Terms(
        subject=answers.subject,
        purposes=(desk.purpose,),
        adult=True,
        intimate=False,
        media=("live",),
        targets=("self",),
        not_after=utc_now() + datetime.timedelta(minutes=desk.minutes),
        claim="agent-attested",
    )
    attestation = Attestation(desk.agent, key, form)
    consent = new_consent(terms, paths, operator_key(), attestation=attestation)
    card = desk.embedder.card
    below = min(CLEARLY_DIFFERENT, desk.embedder.match_threshold)
    identity = enrol(
        consent,
        [Photo(path, frame) for path, frame in zip(paths, frames, strict=True)],
        Recogniser(card.name, card.sha256, desk.embedder, below),
        detector=desk.detector,
        check=check_photo,
        key=operator_key(),
        trust=load_trust(),
    )
    save_identity(identity, place.identity)
    place.enrolled(identity.commitment)
    keep_consent(consent)
    desk.ledger.event("enrol", {"identity": identity.commitment, "consent_id": consent.id})
    return identity


def take_pictures(desk: Desk) -> list[NDArray[np.uint8]]:
    """Take pictures that one face is in; the camera is on for this long, and then off again."""
    camera = _Camera(desk.open_source)
    try:
        for tries_left in range(_TRIES - 1, -1, -1):
            frames = [camera.picture() for _ in range(PICTURES)]
            good = all(len(desk.detector.detect(frame)) == 1 for frame in frames)
            if good or tries_left == 0:
                return frames  # poor ones are told about where they are enrolled
    finally:
        camera.leave()
    raise AssertionError("unreachable")


class _Camera:
    """A camera that a thread of its own reads: one that hangs must not keep the desk waiting."""

    def __init__(self, open_source: Callable[[], Source]) -> None:
        self._open_source = open_source
        self._wanted: queue.Queue[bool] = queue.Queue()
        self._taken: queue.Queue[NDArray[np.uint8] | BaseException] = queue.Queue()
        self._hangs = False
        self._thread = threading.Thread(target=self._serve, name="kiosk camera", daemon=True)
        self._thread.start()

    def picture(self) -> NDArray[np.uint8]:
        """Return a frame that is some time after the last.

        Raises:
            SourceError: None came in time.
            EdgeError: The camera cannot be opened or read.
        """
        self._wanted.put(True)
        try:
            taken = self._taken.get(timeout=PATIENCE)
        except queue.Empty:
            self._hangs = True
            raise SourceError(
                f"the camera gave no picture for {PATIENCE:g} s: plug it in anew and try again"
            ) from None
        if isinstance(taken, BaseException):
            raise taken
        return taken

    def leave(self) -> None:
        """Switch it off, so that the stream can open it; one that hangs is, when it wakes."""
        self._wanted.put(False)
        if not self._hangs:
            self._thread.join(PATIENCE)

    def _serve(self) -> None:
        try:
            source = self._open_source()
            try:
                while self._wanted.get():
                    self._taken.put(_picture(source))
            finally:
                source.close()
        except BaseException as error:  # noqa: BLE001 - raised where the picture was wanted
            self._taken.put(error)


def _picture(source: Source) -> NDArray[np.uint8]:
    """Return a frame that is some time after the last."""
    end = time.monotonic() + APART
    while (taken := source.read()) is not None:
        if taken.at >= end:
            return taken.frame
    raise SourceError(f"{source.name} gave no picture of the visitor: it is over")


def check_agent_key(path: Path) -> None:
    """Check that the attendant's key wants a passphrase, before the first visitor comes.

    Raises:
        KeyStoreError: It is missing, no key, or open to whoever has the device.
    """
    try:
        unlock_private_key(path, "")
    except WrongPassphrase:
        return
    raise KeyStoreError(
        f"{path} has no passphrase: an attendant types one for every visitor; 'openssl genpkey "
        "-algorithm ed25519 -aes256 -out agent.pem' makes such a key"
    )
