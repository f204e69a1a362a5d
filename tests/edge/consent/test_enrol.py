from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from edge.consent.canonical import utc_now
from edge.consent.enrol import Photo, Recogniser, check_may_enrol, enrol
from edge.consent.identity import Identity
from edge.consent.operator import operator_key
from edge.consent.record import Consent
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.signing import public_hex
from edge.consent.trust import TrustStore
from edge.errors import ConsentError, FaceCountError, MediaError, NoFaceError, PhotoError
from edge.records import Face

ConsentMaker = Callable[..., Consent]
DAY = datetime.timedelta(days=1)
FACE = Face((0.0, 0.0, 9.0, 9.0), 0.9, np.zeros((5, 2), np.float32))


def _frame(value: int) -> NDArray[np.uint8]:
    return np.full((4, 4, 3), value, np.uint8)


class _Detector:
    """Finds as many faces as it was told."""

    def __init__(self, count: int = 1) -> None:
        self._faces = (FACE,) * count

    def detect(self, frame: NDArray[np.uint8], /) -> tuple[Face, ...]:
        return self._faces


class _Embedder:
    """Gives the vector that stands for a frame's brightness; not of unit length, as some do."""

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        self._vectors = vectors

    def embed(self, frame: NDArray[np.uint8], face: Face, /) -> NDArray[np.float32]:
        return np.asarray(self._vectors[int(frame[0, 0, 0])], np.float32)


def _no_check(frame: NDArray[np.uint8], face: Face, name: str, /) -> None:
    pass


def _enrol(
    consent: Consent,
    photos: Sequence[Path],
    vectors: Sequence[Sequence[float]] = ((3, 0, 0, 0), (0.6, 0.8, 0, 0)),
    *,
    faces: int = 1,
    key: Ed25519PrivateKey | None = None,
) -> Identity:
    return enrol(
        consent,
        [Photo(path, _frame(number)) for number, path in enumerate(photos)],
        Recogniser("ref_embedder", "ab" * 32, _Embedder(vectors)),
        detector=_Detector(faces),
        check=_no_check,
        key=key or operator_key(),
        trust=TrustStore(),
    )


def test_embeddings_are_averaged(make_consent: ConsentMaker, photos: list[Path]) -> None:
    identity = _enrol(make_consent(), photos)
    vector = identity.embedding_for("ref_embedder", "ab" * 32)
    expected = np.array([1.6, 0.8, 0, 0]) / np.linalg.norm([1.6, 0.8])
    np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert identity.subject == "Alice"


def test_a_picture_given_twice_counts_once(make_consent: ConsentMaker, photos: list[Path]) -> None:
    vectors = [(1, 0, 0, 0), (0.6, 0.8, 0, 0), (0.6, 0.8, 0, 0)]
    identity = _enrol(make_consent(), [*photos, photos[1]], vectors)
    vector = identity.embeddings["ref_embedder"]
    np.testing.assert_allclose(vector[0] / vector[1], 2, rtol=1e-5)


def test_pictures_of_two_persons_are_refused(
    make_consent: ConsentMaker, photos: list[Path]
) -> None:
    with pytest.raises(PhotoError, match=r"a\.jpg and .*b\.jpg show different persons"):
        _enrol(make_consent(), photos, [(1, 0, 0, 0), (0.1, 1, 0, 0)])


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [(0, NoFaceError, "no face in"), (2, FaceCountError, "2 faces in")],
)
def test_one_face_a_picture(
    make_consent: ConsentMaker,
    photos: list[Path],
    count: int,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        _enrol(make_consent(), photos, faces=count)


@pytest.mark.parametrize("vector", [(0, 0, 0, 0), (float("nan"), 0, 0, 1)])
def test_a_face_without_an_embedding_is_refused(
    make_consent: ConsentMaker, photos: list[Path], vector: tuple[float, ...]
) -> None:
    with pytest.raises(PhotoError, match="no embedding"):
        _enrol(make_consent(), photos[:1], [vector])


def test_other_pictures_are_refused(
    make_consent: ConsentMaker, photos: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "bob.jpg"
    other.write_bytes(b"Bob")
    with pytest.raises(ConsentError, match=r"does not name the picture .*bob\.jpg"):
        _enrol(make_consent(), [photos[0], other])
    consent = make_consent()
    photos[0].write_bytes(photos[0].read_bytes() + b"x")
    with pytest.raises(ConsentError, match="does not name the picture"):
        _enrol(consent, photos)
    photos[0].unlink()
    with pytest.raises(MediaError, match="no picture at"):
        _enrol(consent, photos)
    with pytest.raises(ConsentError, match="no pictures"):
        _enrol(consent, [])


@pytest.mark.parametrize(("start", "end", "message"), [(-9, -1, "expired"), (1, 2, "not valid")])
def test_a_consent_out_of_force_is_refused(
    make_consent: ConsentMaker, photos: list[Path], start: int, end: int, message: str
) -> None:
    now = utc_now()
    consent = make_consent(not_before=now + start * DAY, not_after=now + end * DAY)
    with pytest.raises(ConsentError, match=message):
        _enrol(consent, photos)


def test_a_revoked_consent_is_refused(make_consent: ConsentMaker, photos: list[Path]) -> None:
    consent = make_consent()
    install_revocation(new_revocation(consent, operator_key(), TrustStore()))
    with pytest.raises(ConsentError, match="revoked"):
        _enrol(consent, photos)


def test_another_device_enrols_only_where_it_is_named(
    make_consent: ConsentMaker, photos: list[Path]
) -> None:
    elsewhere = Ed25519PrivateKey.generate()
    with pytest.raises(ConsentError, match=f"names the enroller {public_hex(elsewhere)}"):
        _enrol(make_consent(), photos, key=elsewhere)
    named = make_consent(enrollers=(public_hex(elsewhere),))
    assert _enrol(named, photos, key=elsewhere).enroller_key == public_hex(elsewhere)


def test_the_cheap_checks_open_no_picture(make_consent: ConsentMaker, photos: list[Path]) -> None:
    check_may_enrol(make_consent(), photos, operator_key(), TrustStore())


def test_each_recogniser_has_its_own_view(make_consent: ConsentMaker, photos: list[Path]) -> None:
    first = Recogniser("one", "11" * 32, _Embedder([(3, 0, 0), (3, 0, 0)]))
    second = Recogniser("two", "22" * 32, _Embedder([(0, 2, 0), (0, 0, 2)]), -1.0)
    identity = enrol(
        make_consent(),
        [Photo(path, _frame(number)) for number, path in enumerate(photos)],
        first,
        second,
        detector=_Detector(),
        check=_no_check,
        key=operator_key(),
        trust=TrustStore(),
    )
    assert list(identity.embeddings) == ["one", "two"]
    np.testing.assert_allclose(identity.embedding_for("one", "11" * 32), [1, 0, 0])
    half = 0.5**0.5
    np.testing.assert_allclose(identity.embedding_for("two", "22" * 32), [0, half, half], atol=1e-6)
