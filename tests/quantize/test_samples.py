"""Samples: every input of the model, reproducible, and judged on what calibration never saw."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.faces.align import align
from edge.swapmodel import open_swap_model
from quantize.calibration.shipped import calibration_faces, held_out_swaps
from quantize.engine import Engine
from quantize.errors import SamplesError
from quantize.metrics import psnr
from quantize.modelfile import load_model
from quantize.passes._infra.feeds import InputSpec
from quantize.samples import (
    Samples,
    calibration_samples,
    drawn_samples,
    held_out_samples,
    samples_of,
)
from tests.quantize.calibration.contracts import baked, guessed, swapper, unknown_recogniser


def _same(first: Samples, second: Samples) -> bool:
    return first.digest == second.digest


def test_drawn_samples_fit_the_contract() -> None:
    samples = drawn_samples(guessed(), 3, 0)
    assert len(samples) == 3
    for feeds in samples.feeds:
        assert {name: value.shape for name, value in feeds.items()} == {
            "picture": (1, 3, 32, 48),
            "vector": (1, 7),
        }
        assert feeds["picture"].dtype == np.float32
        assert -1 <= feeds["picture"].min() < -0.1 < 0.1 < feeds["picture"].max() <= 1
        assert np.linalg.norm(feeds["vector"]) == pytest.approx(1, abs=1e-5)
    assert "random smooth pictures" in samples.origin
    assert _same(samples, drawn_samples(guessed(), 3, 0))
    assert not _same(samples, drawn_samples(guessed(), 3, 1))


def test_the_digest_is_of_names_and_values() -> None:
    one = {"a": np.zeros(3, np.float32), "b": np.ones(3, np.float32)}
    digest = samples_of([one], "x").digest
    assert samples_of([dict(reversed(one.items()))], "other").digest == digest
    swapped = {"a": one["b"], "b": one["a"]}
    flat = {"a": one["a"].reshape(1, 3), "b": one["b"]}
    for other in ([swapped], [flat], [one, one], [{"a": one["a"]}]):
        assert samples_of(other, "x").digest != digest


@pytest.mark.parametrize("count", [0, -1])
def test_no_samples_are_refused(count: int) -> None:
    with pytest.raises(SamplesError, match="at least 1 is needed"):
        drawn_samples(guessed(), count, 0)
    with pytest.raises(SamplesError, match="at least 1 is needed"):
        calibration_samples(swapper(), count=count)
    with pytest.raises(SamplesError, match="at least 1 is needed"):
        held_out_samples(swapper(), count=count)


def test_a_shape_that_nobody_knows() -> None:
    contract = guessed(inputs={"picture": InputSpec("picture")})
    with pytest.raises(SamplesError, match="shape of input 'picture' is not known"):
        drawn_samples(contract, 1, 0)


def test_calibration_on_faces_of_nobody() -> None:
    samples = calibration_samples(swapper(), count=6)
    assert samples.origin == "6 faces of nobody; sources embedded by ref_embedder"
    assert samples.notes == ()
    assert samples.truths is None
    faces = {face.name: face for face in calibration_faces()}
    for feeds, name in zip(samples.feeds, samples.names, strict=True):
        assert set(feeds) == {"target", "source"}
        crop = align(faces[name].frame(), faces[name].face, "arcface_128", 128).picture
        np.testing.assert_allclose(
            feeds["target"][0], crop[..., ::-1].transpose(2, 0, 1) / 255, atol=1e-6
        )
        assert np.linalg.norm(feeds["source"]) == pytest.approx(1, abs=1e-5)
    sources = np.concatenate([feeds["source"] for feeds in samples.feeds])
    assert (sources @ sources.T - np.eye(6)).max() < 0.9  # six identities
    assert _same(samples, calibration_samples(swapper(), count=6))
    assert not _same(samples, calibration_samples(swapper(), count=6, seed=1))


def test_sources_are_fed_as_the_runtime_feeds_them() -> None:
    model = open_swap_model(threads=1)
    value = calibration_samples(swapper(), count=1).feeds[0]["source"]
    fed = model._source_tensor(value[0] * 7)
    assert fed is not None
    np.testing.assert_allclose(fed, value, atol=1e-6)


def test_there_are_as_many_as_are_shipped() -> None:
    assert len(calibration_samples(baked(), count=500)) == 64
    assert len(held_out_samples(baked(), count=500)) == 24


def test_a_baked_model_is_told_of_no_source_and_has_no_truth() -> None:
    for samples in (calibration_samples(baked(), count=2), held_out_samples(baked(), count=2)):
        assert [set(feeds) for feeds in samples.feeds] == [{"target"}] * 2
        assert samples.truths is None
        assert "source" not in samples.origin


def test_without_its_recogniser_sources_are_random_and_that_is_said() -> None:
    for samples in (
        calibration_samples(unknown_recogniser(), count=3),
        held_out_samples(unknown_recogniser(), count=3),
    ):
        assert samples.origin.endswith("3 random vectors as sources")
        assert "somebody_elses" in samples.notes[0]
        assert samples.truths is None
        sources = np.concatenate([feeds["source"] for feeds in samples.feeds])
        np.testing.assert_allclose(np.linalg.norm(sources, axis=1), 1, atol=1e-5)


def test_no_card_no_faces() -> None:
    drawn = calibration_samples(guessed(), count=2)
    judged = held_out_samples(guessed(), count=2, seed=0)  # the very seed of the calibration
    assert "random smooth pictures" in drawn.origin
    assert not _same(drawn, judged)


def test_an_input_that_is_neither_target_nor_source_is_drawn() -> None:
    inputs = {**swapper().inputs, "strength": InputSpec("uniform", 0.25, 0.5, (1,))}
    samples = calibration_samples(swapper(inputs=inputs), count=2)
    assert all(0.25 <= feeds["strength"][0] <= 0.5 for feeds in samples.feeds)


def test_held_out_samples_know_the_truth() -> None:
    samples = held_out_samples(swapper(), count=4)
    assert samples.truths is not None
    assert len(samples.truths) == 4
    swaps = {swap.target.name: swap for swap in held_out_swaps()}
    engine, gains = Engine(load_model(_weights()).model), []
    for feeds, truth, name in zip(samples.feeds, samples.truths, samples.names, strict=True):
        swap = swaps[f"{name}-target"]
        crop = align(swap.truth.frame(), swap.target.face, "arcface_128", 128).picture
        np.testing.assert_allclose(truth[0], crop[..., ::-1].transpose(2, 0, 1) / 255, atol=1e-6)
        result = engine.run(feeds)["output"]
        gains.append(psnr(result, truth) - psnr(feeds["target"], truth))
    assert min(gains) > 0.3, gains
    assert np.mean(gains) > 1.0, gains


def _weights() -> Path:
    from edge import resources

    return resources.weights_dir() / "ref_swapper.onnx"


def test_held_out_samples_are_never_those_of_calibration() -> None:
    seen = {one["target"].tobytes() for one in calibration_samples(baked(), count=64).feeds}
    judged = held_out_samples(baked(), count=24, seed=0)
    assert not seen & {one["target"].tobytes() for one in judged.feeds}


def test_a_folder_of_crops(tmp_path: Path) -> None:
    face = calibration_faces()[5]
    crop = align(face.frame(), face.face, "arcface_128", 128).picture
    assert cv2.imwrite(str(tmp_path / "mine.png"), crop)
    samples = calibration_samples(swapper(), folder=tmp_path)
    assert samples.names == ("mine.png",)
    assert samples.origin == f"folder {tmp_path.name}/: 1 crops; sources embedded by ref_embedder"
    assert samples.notes == ("only 1 to calibrate on: 8 or more give safer ranges",)
    np.testing.assert_allclose(
        samples.feeds[0]["target"][0], crop[..., ::-1].transpose(2, 0, 1) / 255, atol=1e-6
    )


def test_a_folder_for_a_model_without_a_card(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 96, 3), 255, np.uint8))
    samples = calibration_samples(guessed(), folder=tmp_path)
    assert (samples.feeds[0]["picture"] == 1).all()
    assert samples.feeds[0]["vector"].shape == (1, 7)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="holds no picture"):
        calibration_samples(swapper(), folder=tmp_path)
