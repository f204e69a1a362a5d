"""Who is in it: models that take a picture, and models with somebody in their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edge.cards import find_card
from edge.consent.identity import Embedding, Identity, new_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.sealed import SealedIdentity
from edge.errors import CardError, ConsentError, FaceCountError, IdentityError, UsageError
from edge.faces.align import align_to
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.shelf import INSTALLED
from edge.sources import BAKED_IN, check_baked, comparer_for, recogniser_for
from edge.swap import Engines, Swapper
from tests import families
from tests.scene import Stage, stage, target, write

PICTURE, BAKED, EMBEDDING = "uniface_256", "mobilefaceswap_224", "ghost_1_256"


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def _swapper(ready: Stage, model: str, identity: Identity | None = None, **more: object) -> Swapper:
    return Swapper(
        identity or ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=Engines(model=model, detector="tiny_detector", threads=1),
        **more,  # type: ignore[arg-type]
    )


def _refused() -> bool:
    return Ledger().entries()[-1].kind == "refusal"


@pytest.mark.parametrize("model", ["uniface_256", "blendswap_256"])
def test_a_picture_that_the_consent_names_is_shown(
    ready: Stage, edge_home: Path, model: str
) -> None:
    families.install(edge_home, model)
    photo = ready.folder / "photo.png"
    swapper = _swapper(ready, model, source_picture=photo)
    done = swapper.swap(target())
    assert len(done.faces) == 2
    assert [use.name for use in swapper.models] == ["tiny_detector", "tiny_embedder", model]
    frame = np.asarray(cv2.imread(str(photo)), np.uint8)
    (face,) = open_detector("tiny_detector").detect(frame)
    card = find_card(model)
    assert card.source is not None
    assert card.source.crop is not None
    given = swapper._source.value
    assert given is not None
    np.testing.assert_array_equal(given, align_to(frame, face, card.source.crop).picture)


def test_without_a_picture_it_is_refused_with_the_way_out(ready: Stage, edge_home: Path) -> None:
    families.install(edge_home, PICTURE)
    with pytest.raises(ConsentError, match=r"an identity holds none.*--source-picture"):
        _swapper(ready, PICTURE)
    assert _refused()


def test_a_picture_that_the_consent_does_not_name_is_refused(ready: Stage, edge_home: Path) -> None:
    families.install(edge_home, PICTURE)
    same = write(ready.folder / "same.bmp", target((240, 240), ((14, 14),)))  # other bytes
    with pytest.raises(ConsentError, match="does not name the picture"):
        _swapper(ready, PICTURE, source_picture=same)
    assert _refused()


def test_a_picture_of_somebody_else_is_refused(ready: Stage, edge_home: Path) -> None:
    """The consent names the picture, but the identity is of another face."""
    families.install(edge_home, PICTURE)
    card = find_card("tiny_embedder")
    frame = np.asarray(cv2.imread(str(ready.folder / "photo.png")), np.uint8)
    (face,) = open_detector("tiny_detector").detect(frame)
    seen = open_embedder("tiny_embedder").embed(frame, face)
    other = np.random.default_rng(3).standard_normal(512)
    other -= (other @ seen) * seen
    vector = (other / np.linalg.norm(other)).astype(np.float32)
    enrolled = {"tiny_embedder": Embedding(card.sha256, vector)}
    identity = new_identity(ready.consent, enrolled, operator_key())
    with pytest.raises(ConsentError, match=r"does not show the person .*likeness -?0\.00"):
        _swapper(ready, PICTURE, identity, source_picture=ready.folder / "photo.png")
    assert _refused()


def test_a_picture_with_two_faces_is_refused(ready: Stage, edge_home: Path) -> None:
    from edge.consent.record import new_consent
    from edge.consent.terms import Terms

    families.install(edge_home, PICTURE)
    crowd = write(ready.folder / "crowd.png", target())
    terms = Terms(
        subject="nobody", purposes=("film",), adult=True, intimate=False, claim="synthetic"
    )
    consent = new_consent(terms, [crowd], operator_key())
    identity = new_identity(consent, ready.identity.recognisers, operator_key())
    with pytest.raises(FaceCountError):
        _swapper(ready, PICTURE, identity, source_picture=crowd)


@pytest.mark.parametrize("model", ["tiny_swapper", BAKED])
def test_a_picture_for_a_model_that_takes_none_is_refused(
    ready: Stage, edge_home: Path, model: str
) -> None:
    families.install(edge_home, BAKED)
    with pytest.raises(UsageError, match="takes no source picture"):
        _swapper(ready, model, source_picture=ready.folder / "photo.png")


def _baked(commitment: str | None) -> bytes:
    model = onnx.load_from_string(families.model_bytes(BAKED))
    if commitment is not None:
        model.metadata_props.add(key="other", value="x")
        model.metadata_props.add(key=BAKED_IN, value=commitment)
    return bytes(model.SerializeToString())


def test_an_identity_in_the_weights_is_swapped_in_as_its_own(ready: Stage, edge_home: Path) -> None:
    families.install(edge_home, BAKED, _baked(ready.identity.commitment))
    swapper = _swapper(ready, BAKED)
    assert swapper._source.value is None
    assert len(swapper.swap(target()).faces) == 2


@pytest.mark.parametrize(
    ("commitment", "words"),
    [
        (None, "nothing says whose identity is in the weights"),
        ("0" * 64, "hold another identity than that of nobody"),
    ],
)
def test_weights_of_somebody_else_or_of_nobody_known_are_refused(
    ready: Stage, edge_home: Path, commitment: str | None, words: str
) -> None:
    families.install(edge_home, BAKED, _baked(commitment))
    with pytest.raises(ConsentError, match=words):
        _swapper(ready, BAKED)
    assert _refused()


def test_a_card_can_say_whose_identity_it_is_but_not_against_the_model(
    ready: Stage, edge_home: Path
) -> None:
    card, own = find_card(BAKED), ready.identity.commitment
    assert card.source is not None
    stated = replace(card, source=replace(card.source, identity=own))
    silent = families.install(edge_home, BAKED, _baked(None))
    check_baked(stated, silent, ready.identity)
    wrong = replace(card, source=replace(card.source, identity="1" * 64))
    with pytest.raises(ConsentError, match="another identity"):
        check_baked(wrong, silent, ready.identity)
    held = families.install(edge_home, BAKED, _baked("2" * 64))
    with pytest.raises(ConsentError, match="another identity"):
        check_baked(stated, held, ready.identity)


def test_an_embedding_goes_through_the_converter(ready: Stage, edge_home: Path) -> None:
    families.install_with_needs(edge_home, EMBEDDING)
    embedder = open_embedder("arcface_w600k_r50")
    frame = np.asarray(cv2.imread(str(ready.folder / "photo.png")), np.uint8)
    (face,) = open_detector("tiny_detector").detect(frame)
    vector = embedder.embed(frame, face)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)
    enrolled = {"arcface_w600k_r50": Embedding(embedder.card.sha256, vector)}
    identity = new_identity(ready.consent, enrolled, operator_key())
    swapper = _swapper(ready, EMBEDDING, identity)
    assert len(swapper.swap(target()).faces) == 2
    names = [use.name for use in swapper.models]
    assert names == ["tiny_detector", "crossface_ghost", EMBEDDING]


def test_a_device_that_only_swaps_needs_no_recogniser(ready: Stage, edge_home: Path) -> None:
    families.install(edge_home, "hyperswap_1a_256")
    vector = np.random.default_rng(5).standard_normal(512)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    enrolled = {"arcface_w600k_r50": Embedding("ab" * 32, unit)}
    identity = new_identity(ready.consent, enrolled, operator_key())
    assert len(_swapper(ready, "hyperswap_1a_256", identity).swap(target()).faces) == 2
    families.install(edge_home, "arcface_w600k_r50")  # now it is known which one is meant
    with pytest.raises(IdentityError, match="another edition of arcface_w600k_r50"):
        _swapper(ready, "hyperswap_1a_256", identity)


def test_an_identity_of_another_recogniser_is_refused(ready: Stage, edge_home: Path) -> None:
    families.install_with_needs(edge_home, EMBEDDING)
    with pytest.raises(IdentityError, match="needs arcface_w600k_r50: enrol it again"):
        _swapper(ready, EMBEDDING)


def test_a_recogniser_that_has_no_card_is_an_error(ready: Stage) -> None:
    card = find_card("tiny_swapper")
    assert card.source is not None
    lost = replace(card, source=replace(card.source, recogniser="gone"))
    with pytest.raises(CardError, match="there is no recogniser 'gone'"):
        recogniser_for(lost, ready.identity)


def test_faces_are_compared_by_what_the_identity_knows_or_the_device_has(ready: Stage) -> None:
    card = find_card("tiny_swapper")
    found, shelf = comparer_for(card, ready.identity)
    assert (found.name, shelf) == (recogniser_for(card, ready.identity).name, INSTALLED)
    sealed = SealedIdentity(ready.identity.consent, "ab" * 32)
    found, shelf = comparer_for(card, sealed)
    assert (found.name, shelf) == ("ref_embedder", INSTALLED)


def test_the_boost_reaches_the_frame(ready: Stage) -> None:
    engines = Engines(model="tiny_swapper", detector="tiny_detector", threads=1, boost=2)
    swapper = Swapper(ready.identity, purpose="film", target_is="synthetic", engines=engines)
    assert swapper._model.size == 256
    assert len(swapper.swap(target()).faces) == 2
