"""Enrol: from a consent and the pictures that it names to an identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge.consent.canonical import utc_now
from edge.consent.identity import Embedding, Identity, may_enrol, new_identity
from edge.consent.permit import check_in_force
from edge.consent.record import Consent, check_signatures
from edge.consent.signing import public_hex
from edge.consent.trust import TrustStore
from edge.errors import ConsentError, FaceCountError, NoFaceError, PhotoError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from numpy.typing import NDArray

    from edge.records import Face

CLEARLY_DIFFERENT = 0.15
"""Cosine of two embeddings below which two pictures show different persons beyond doubt.

Margin-trained recognisers give strangers about 0 +- 0.1 and one person 0.3 and more, so that
a hard picture of the right person is still let in; telling look-alikes apart is the consent's
part, which names each picture.
"""


class FaceFinder(Protocol):
    """Finds faces, as `edge.faces.detect.Detector` does."""

    def detect(self, frame: NDArray[np.uint8], /) -> tuple[Face, ...]:
        """Return the faces in a frame: uint8 (H, W, 3) BGR."""


class FaceEmbedder(Protocol):
    """Embeds a face, as `edge.faces.embed.Embedder` does."""

    def embed(self, frame: NDArray[np.uint8], face: Face, /) -> NDArray[np.float32]:
        """Return float32 (D,), of unit length, for a face in a frame: uint8 (H, W, 3) BGR."""


class PhotoCheck(Protocol):
    """Refuses poor pictures, as `edge.faces.quality.check_photo` does."""

    def __call__(self, frame: NDArray[np.uint8], face: Face, name: str, /) -> object:
        """Raise PhotoError where the face in a frame, uint8 (H, W, 3) BGR, is too poor."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture to enrol from.

    Attributes:
        path: Its file, as the user named it.
        frame: uint8 (H, W, 3) BGR.
    """

    path: Path
    frame: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The recogniser that enrols.

    Attributes:
        name: Card name.
        sha256: Hex digest of its model file.
        embedder: What runs it.
        different_below: Cosine below which two pictures show different persons.
    """

    name: str
    sha256: str
    embedder: FaceEmbedder
    different_below: float = CLEARLY_DIFFERENT


def check_may_enrol(
    consent: Consent, paths: Sequence[Path], key: Ed25519PrivateKey, trust: TrustStore
) -> None:
    """Check, before any picture is opened, that these pictures may be enrolled with this key.

    Raises:
        ConsentError: The consent was changed, is not in force, names other pictures, or does not
            let this key enrol.
        MediaError: A picture is missing, empty or unreadable.
    """
    whose = f"the consent of {consent.subject}"
    check_signatures(consent, whose)
    check_in_force(consent, whose, now=utc_now(), trust=trust)
    enroller = public_hex(key)
    if not may_enrol(consent, enroller):
        raise ConsentError(
            f"refused: {whose} does not let this device enrol; ask its issuer for one that names "
            f"the enroller {enroller}"
        )
    if not paths:
        raise ConsentError("refused: no pictures to enrol from; give at least one with --photos")
    for path in paths:
        if not consent.covers_photo(path):
            raise ConsentError(
                f"refused: {whose} does not name the picture {path}; enrol from the very files "
                "that it was made with"
            )


def enrol(
    consent: Consent,
    photos: Sequence[Photo],
    *recognisers: Recogniser,
    detector: FaceFinder,
    check: PhotoCheck,
    key: Ed25519PrivateKey,
    trust: TrustStore,
) -> Identity:
    """Make an identity from a consent and the pictures that it names.

    Args:
        consent: The consent.
        photos: Pictures of the subject, one face each; a picture given twice counts once.
        recognisers: What embeds the faces, each for the swap models that take its embeddings; at
            least one.
        detector: What finds them.
        check: What refuses poor pictures.
        key: The key that enrols.
        trust: The trusted issuers.

    Raises:
        ConsentError: See `check_may_enrol`.
        NoFaceError: A picture shows no face.
        FaceCountError: A picture shows several faces.
        PhotoError: A picture is too poor, or two of them show different persons.
        MediaError: A picture file is gone.
    """
    check_may_enrol(consent, [photo.path for photo in photos], key, trust)
    seen: list[tuple[Photo, Face]] = []
    for photo in photos:
        face = _only_face(photo, detector)
        check(photo.frame, face, str(photo.path))
        seen.append((photo, face))
    embeddings = {one.name: Embedding(one.sha256, _mean_view(seen, one)) for one in recognisers}
    return new_identity(consent, embeddings, key)


def _mean_view(seen: Sequence[tuple[Photo, Face]], recogniser: Recogniser) -> NDArray[np.float32]:
    """Return the mean of what a recogniser sees in the photos, float32 (D,) of unit length."""
    views: dict[bytes, tuple[Path, NDArray[np.float32]]] = {}
    for photo, face in seen:
        vector = _unit(recogniser.embedder.embed(photo.frame, face), photo.path)
        views.setdefault(vector.tobytes(), (photo.path, vector))
    _check_one_person(list(views.values()), recogniser.different_below)
    return _unit(np.stack([vector for _, vector in views.values()]).mean(axis=0), seen[0][0].path)


def _only_face(photo: Photo, detector: FaceFinder) -> Face:
    faces = detector.detect(photo.frame)
    if not faces:
        raise NoFaceError(f"no face in {photo.path}: enrolment needs one face in each picture")
    if len(faces) > 1:
        raise FaceCountError(
            f"{len(faces)} faces in {photo.path}: enrolment needs one face in each picture, so "
            "that nobody else is enrolled; crop it, and name the crop in the consent"
        )
    return faces[0]


def _unit(vector: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """Return `vector`, float32 (D,), at unit length."""
    flat = np.asarray(vector, dtype=np.float64).reshape(-1)
    length = float(np.linalg.norm(flat))
    if not np.isfinite(length) or length < 1e-6:
        raise PhotoError(f"the face in {path} has no embedding: use another picture")
    unit: NDArray[np.float32] = (flat / length).astype(np.float32)
    return unit


def _check_one_person(views: Sequence[tuple[Path, NDArray[np.float32]]], below: float) -> None:
    for (first, one), (second, other) in combinations(views, 2):
        likeness = float(one @ other)
        if likeness < below:
            raise PhotoError(
                f"{first} and {second} show different persons (likeness {likeness:.2f}, below "
                f"{below}): enrol pictures of one person"
            )
