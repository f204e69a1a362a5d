from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from edge.cards import find_card
from edge.errors import BackendError, CardError, ModelError
from edge.faces.masks import Masker, joint_mask, masker_named, open_masker
from tests import analysers, tiny
from tests.analysers import Fake

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

OCCLUSION = ("xseg_1", "xseg_2", "xseg_3")
REGIONS = ("bisenet_resnet_18", "bisenet_resnet_34")
FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)  # of CelebAMask-HQ's classes
SIZES = (128, 224, 256, 512)


def _picture(size: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(8).integers(0, 256, (9, 9, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _xseg() -> bytes:
    """Return a stand-in: how blue a pixel is, from a little below 0 to a little above 1."""
    constants = [
        tiny._constant("which", [0], np.int64),
        tiny._constant("gain", 1.4),
        tiny._constant("less", 0.2),
    ]
    nodes = [
        helper.make_node("Gather", ["in", "which"], ["blue"], axis=3),
        helper.make_node("Mul", ["blue", "gain"], ["much"]),
        helper.make_node("Sub", ["much", "less"], ["out"]),
    ]
    shape = (1, 256, 256)
    given, mask = tiny._value("in", (*shape, 3)), tiny._value("out", (*shape, 1))
    return tiny.model_bytes(nodes, [given], [mask], constants)


def _weights() -> NDArray[np.float32]:
    return np.random.default_rng(9).standard_normal((19, 3, 1, 1)).astype(np.float32)


def _bisenet() -> bytes:
    """Return a stand-in: logits that are a seeded mixture of the colours."""
    nodes = [helper.make_node("Conv", ["in", "w"], ["out"])]
    given, logits = tiny._value("in", (1, 3, 512, 512)), tiny._value("out", (1, 19, 512, 512))
    return tiny.model_bytes(nodes, [given], [logits], [tiny._constant("w", _weights())])


def _faded(mask: NDArray[Any], size: int) -> NDArray[Any]:
    large = cv2.resize(mask.astype(np.float32), (size, size))
    return (cv2.GaussianBlur(large, (0, 0), 5).clip(0.5, 1) - 0.5) * 2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("card", OCCLUSION)
def test_occlusion_is_masked_as_the_family_does(card: str, size: int, edge_home: Path) -> None:
    analysers.install(edge_home, card, _xseg())
    masker, picture = open_masker(card, threads=1), _picture(size)
    mask = masker.mask(picture)
    blue = cv2.resize(picture, (256, 256))[..., 0].astype(np.float64) / 255
    expected = _faded((blue * 1.4 - 0.2).clip(0, 1), size)
    assert mask.dtype == np.float32
    np.testing.assert_allclose(mask, expected, atol=1e-4)
    assert mask.min() == 0
    assert mask.max() > 0.5
    assert masker.use.kind == "masker"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("card", REGIONS)
def test_regions_are_masked_as_the_family_does(card: str, size: int, edge_home: Path) -> None:
    analysers.install(edge_home, card, _bisenet())
    picture = _picture(size)
    mask = open_masker(card, threads=1).mask(picture)
    colours = cv2.resize(picture, (512, 512))[..., ::-1].astype(np.float64) / 255
    colours = (colours - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    logits = np.einsum("oc,hwc->ohw", _weights()[:, :, 0, 0], colours)
    classes = logits.argmax(axis=0)
    expected = _faded(np.isin(classes, FACE), size)
    assert len(np.unique(classes)) > 4
    # A pixel or two lie where two classes are equal but for rounding; blurred, that is little.
    assert np.abs(mask - expected).max() < 2e-3
    assert np.abs(mask - expected).mean() < 1e-5
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1, abs=1e-3)


def test_a_mask_of_planes_is_taken_too() -> None:
    planes = np.random.default_rng(1).uniform(-1, 2, (1, 1, 256, 256)).astype(np.float32)
    rows = planes.transpose(0, 2, 3, 1)
    first, second = (
        Masker(find_card("xseg_1"), Fake("in", {"out": values})).mask(_picture(128))
        for values in (planes, rows)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("card", ["xseg_1", "bisenet_resnet_34"])
def test_outputs_that_do_not_fit_are_an_error(card: str) -> None:
    sound = np.zeros((1, 256, 256, 1) if card == "xseg_1" else (1, 19, 512, 512), np.float32)
    wrong = [sound[..., :-1, :], sound[0], sound[:, :-1], np.concatenate([sound, sound])]
    for values in wrong:
        with pytest.raises(ModelError, match="does not fit its card: output 'out' has shape"):
            Masker(find_card(card), Fake("in", {"out": values})).mask(_picture(128))
    for value in (np.nan, np.inf):
        broken = sound.copy()
        broken[0, 3, 5, 0] = value
        with pytest.raises(BackendError, match="'out' holds values that are no numbers"):
            Masker(find_card(card), Fake("in", {"out": broken})).mask(_picture(128))
    with pytest.raises(ModelError, match="nothing is in place #0"):
        Masker(find_card(card), Fake("in", {}))


def test_masks_are_multiplied() -> None:
    halves = [np.ones((1, 256, 256, 1), np.float32) for _ in range(2)]
    halves[0][:, :, 128:] = 0  # the right half goes
    halves[1][:, 128:] = 0  # the lower half goes
    maskers = [Masker(find_card("xseg_1"), Fake("in", {"out": half})) for half in halves]
    picture = _picture(128)
    joint = joint_mask(maskers, picture)
    assert joint is not None
    np.testing.assert_allclose(joint[:40, :40], 1.0, atol=1e-6)
    assert joint[:, 64:].max() == pytest.approx(0, abs=1e-6)
    assert joint[64:].max() == pytest.approx(0, abs=1e-6)
    assert joint_mask([], picture) is None


def test_a_name_may_be_how_several_begin(edge_home: Path) -> None:
    assert masker_named("xseg_2") == "xseg_2"
    assert masker_named("xseg") == "xseg_1"
    analysers.install(edge_home, "xseg_3", _xseg())
    assert masker_named("xseg") == "xseg_3"
    assert open_masker("xseg").card.name == "xseg_3"
    assert masker_named("bisenet") == "bisenet_resnet_18"
    with pytest.raises(CardError, match=r"no model 'xs'; known: bisenet_resnet_18, .*xseg_3"):
        open_masker("xs")
    with pytest.raises(ModelError, match="edge models add"):
        open_masker("bisenet")


def test_a_model_of_another_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a swapper, but a masker is needed"):
        open_masker("tiny_swapper")
    with pytest.raises(CardError, match="is a detector, but a masker is needed"):
        Masker(find_card("tiny_detector"), Fake("in", {}))
