"""Pictures and embeddings reach the model as the runtime would feed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.cards import find_card
from edge.faces.align import align, align_to
from edge.tensors import to_tensor
from quantize.calibration import inputs
from quantize.calibration.cache import cache_key
from quantize.calibration.shipped import calibration_faces, held_out_swaps
from quantize.errors import SamplesError
from quantize.passes._infra.feeds import InputSpec
from quantize.samples import samples_of
from tests.quantize.calibration.contracts import guessed, swapper, unknown_recogniser
from tests.quantize.graphs import reference_like

WHITE = np.full((9, 9, 3), 255, np.uint8)


def test_a_crop_is_cut_as_the_runtime_cuts_it() -> None:
    contract, face = swapper(), calibration_faces()[0]
    frame = face.frame()
    crop = inputs.crop_of(contract, frame, face.face)
    np.testing.assert_array_equal(crop, align(frame, face.face, "arcface_128", 128).picture)


@pytest.mark.parametrize("name", ["ref_swapper", "inswapper_128", "reswapper_128", "simswap_256"])
def test_a_crop_without_fit_and_offset_is_the_template_s_alone(name: str) -> None:
    card, face = find_card(name), calibration_faces()[1]
    assert card.crop is not None
    assert (card.crop.fit, card.crop.offset) == ("similarity", 0)
    crop = inputs.crop_of(swapper(card=card), face.frame(), face.face)
    plain = align(face.frame(), face.face, card.crop.template, card.crop.size).picture
    np.testing.assert_array_equal(crop, plain)


@pytest.mark.parametrize("name", ["mobilefaceswap_224", "reswapper_256"])
def test_a_card_s_fit_and_offset_count(name: str) -> None:
    card, face = find_card(name), calibration_faces()[1]
    assert card.crop is not None
    contract = swapper(card=card)
    crop = inputs.crop_of(contract, face.frame(), face.face)
    np.testing.assert_array_equal(crop, align_to(face.frame(), face.face, card.crop).picture)
    plain = align(face.frame(), face.face, card.crop.template, card.crop.size).picture
    assert not np.array_equal(crop, plain)
    # Ranges are kept by what the model was fed: those of the plain crop are not taken for these.
    model = reference_like()
    cut, uncut = (
        samples_of([{"target": inputs.target_tensor(contract, picture)}], "a face").digest
        for picture in (crop, plain)
    )
    assert cache_key(model, cut) != cache_key(model, uncut)


@pytest.mark.parametrize("name", ["mobilefaceswap_224", "reswapper_256"])
def test_every_shipped_face_can_be_cut(name: str) -> None:
    spec = find_card(name).crop
    assert spec is not None
    blank = np.zeros((8, 8, 3), np.uint8)  # whether landmarks can be aligned lies in them alone
    for face in (*calibration_faces(), *(swap.target for swap in held_out_swaps())):
        assert align_to(blank, face.face, spec).picture.shape == (spec.size, spec.size, 3)


def test_a_card_s_normalisation_counts() -> None:
    card = swapper().card
    assert card is not None
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    spec = replace(card.input, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.2), channels="BGR")
    contract = swapper(card=replace(card, input=spec))
    tensor = inputs.target_tensor(contract, crop)
    np.testing.assert_array_equal(tensor, to_tensor(crop, spec))
    assert tensor[0, 0, 0, 0] == pytest.approx((crop[0, 0, 0] / 255 - 0.5) / 0.5, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (1, 4, 6, 3)])
def test_without_a_card_it_is_rgb_between_the_ends(shape: tuple[int, ...]) -> None:
    crop = np.zeros((4, 6, 3), np.uint8)
    crop[1, 2] = (255, 0, 51)  # blue, green, red
    tensor = inputs.target_tensor(guessed(shape), crop)
    assert tensor.shape == shape
    assert tensor.dtype == np.float32
    pixel = tensor[0, :, 1, 2] if shape[1] == 3 else tensor[0, 1, 2]
    np.testing.assert_allclose(pixel, [-0.6, -1, 1], atol=1e-6)


def test_pictures_are_fitted() -> None:
    contract = guessed((1, 3, 32, 48))
    assert inputs.sides_of(contract) == (32, 48)
    assert inputs.sides_of(guessed((1, 20, 30, 3))) == (20, 30)
    assert inputs.sides_of(swapper()) == (128, 128)
    for size in ((64, 96), (10, 12), (32, 48)):
        picture = np.full((*size, 3), 77, np.uint8)
        fitted = inputs.fitted(contract, picture)
        assert fitted.shape == (32, 48, 3)
        assert (fitted == 77).all()


def test_a_truth_is_rgb() -> None:
    crop = np.zeros((2, 2, 3), np.uint8)
    crop[0, 1] = (255, 51, 0)
    truth = inputs.truth_of(crop)
    assert truth.shape == (1, 3, 2, 2)
    assert truth.dtype == np.float32
    np.testing.assert_allclose(truth[0, :, 0, 1], [0, 0.2, 1], atol=1e-6)


def test_people_are_embedded_as_an_enrolment_does() -> None:
    contract = swapper()
    embedder, why = inputs.open_recogniser(contract, 1)
    assert embedder is not None
    assert not why
    first, second = calibration_faces()[:2]
    single = [embedder.embed(face.frame(), face.face) for face in (first, second)]
    (value,) = inputs.embedded_sources(contract, embedder, [(first, second)])
    mean = single[0] + single[1]
    np.testing.assert_allclose(value[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_recogniser_that_is_not_here_is_named() -> None:
    embedder, why = inputs.open_recogniser(unknown_recogniser(), 1)
    assert embedder is None
    assert "somebody_elses" in why
    assert inputs.open_recogniser(guessed(), 1) == (None, "no card names the recogniser")


def test_unit_sources_go_through_the_emap() -> None:
    rng = np.random.default_rng(0)
    emap = rng.standard_normal((512, 512)).astype(np.float32)
    plain = inputs.unit_sources(swapper(), 3, 5)
    mapped = inputs.unit_sources(swapper(emap=emap), 3, 5)
    for one, other in zip(plain, mapped, strict=True):
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
        goal = one @ emap
        np.testing.assert_allclose(other, goal / np.linalg.norm(goal), atol=1e-5)
    assert not np.allclose(plain[0], plain[1])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: inputs.crop_of(guessed(), WHITE, calibration_faces()[0].face), "without a card"),
        (lambda: inputs.sides_of(guessed(target=None)), "no input for a picture"),
        (
            lambda: inputs.sides_of(guessed(inputs={"picture": InputSpec("picture")})),
            "size of input 'picture' is not known",
        ),
        (
            lambda: inputs.unit_sources(guessed(inputs={"vector": InputSpec("unit")}), 1, 0),
            "length of input 'vector' is not known",
        ),
    ],
)
def test_what_nobody_says(call: object, text: str) -> None:
    assert callable(call)
    with pytest.raises(SamplesError, match=text):
        call()
