"""What the tests of whole swaps share: tiny models installed, a synthetic identity, targets."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.consent.enrol import Photo, Recogniser, enrol
from edge.consent.identity import Identity, save_identity
from edge.consent.operator import operator_key
from edge.consent.record import Consent, new_consent
from edge.consent.terms import Terms
from edge.consent.trust import load_trust
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.records import MEDIA, Medium, Purpose
from edge.swap import Engines, Swapper
from tests import tiny

ENGINES = Engines(model="tiny_swapper", detector="tiny_detector", threads=1)
ARGUMENTS = ("--model", "tiny_swapper", "--detector", "tiny_detector", "--threads", "1")
"""The same, for the command line."""


def target(
    size: tuple[int, int] = (360, 480), cells: tuple[tuple[int, int], ...] = ((20, 20), (40, 24))
) -> NDArray[np.uint8]:
    """Return a grey frame with a face for the tiny detector at each (column, row) of 8 pixels."""
    frame = tiny.white_cells(size, cells)
    return np.maximum(frame, np.uint8(60))


def write(path: Path, frame: NDArray[np.uint8]) -> Path:
    """Write a frame as a picture file."""
    assert cv2.imwrite(str(path), frame)
    return path


@dataclass(frozen=True)
class Stage:
    """Everything that a swap needs.

    Attributes:
        folder: A folder of the test's own.
        consent: Signed by this home's operator; synthetic.
        identity: Enrolled under it.
        identity_file: The same as a file.
    """

    folder: Path
    consent: Consent
    identity: Identity
    identity_file: Path

    def swapper(self, purpose: Purpose = "film", target_is: str | None = "synthetic") -> Swapper:
        """Return a swapper with the tiny models."""
        return Swapper(self.identity, purpose=purpose, target_is=target_is, engines=ENGINES)

    def picture(self, name: str = "target.png") -> Path:
        """Write a target picture with two faces."""
        return write(self.folder / name, target())


def stage(
    home: Path,
    folder: Path,
    *,
    media: tuple[Medium, ...] = MEDIA,
    until: datetime.datetime | None = None,
) -> Stage:
    """Install the tiny models and enrol somebody who is nobody."""
    tiny.install(home)
    folder.mkdir(parents=True, exist_ok=True)
    photo = write(folder / "photo.png", target((240, 240), ((14, 14),)))
    terms = Terms(
        subject="nobody",
        purposes=("film",),
        adult=True,
        intimate=False,
        media=media,
        not_after=until,
        claim="synthetic",
    )
    consent = new_consent(terms, [photo], operator_key())
    embedder = open_embedder("tiny_embedder")
    frame = cv2.imread(str(photo))
    assert frame is not None
    identity = enrol(
        consent,
        [Photo(photo, np.asarray(frame, np.uint8))],
        Recogniser("tiny_embedder", embedder.card.sha256, embedder),
        detector=open_detector("tiny_detector"),
        check=lambda frame, face, name: None,
        key=operator_key(),
        trust=load_trust(),
    )
    path = folder / "nobody.identity"
    save_identity(identity, path)
    return Stage(folder, consent, identity, path)
