"""The swapper's data and losses."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from torch.nn import functional

from models.training.embedder.net import Embedder, folded
from models.training.faces.identity import FACE_INDEX
from models.training.swapper.batches import Batch
from models.training.swapper.data import changed_region, from_unit, to_unit
from models.training.swapper.evaluate import (
    apart,
    chroma,
    colourless,
    detail,
    landmarks_in,
    psnr,
    ssim,
)
from models.training.swapper.flicker import flicker
from models.training.swapper.hard import KINDS, Odds, kinds_of
from models.training.swapper.looks import Looks
from models.training.swapper.losses import SwapLoss, structure, tint, woven
from models.training.swapper.recrop import shipped_places
from models.training.swapper.sources import Sources, fingerprint, frozen_embedder
from models.training.traits import trait_table


def batch_of(truth: Any, neighbours: int = 1) -> Batch:
    ones = torch.ones(len(truth), 1, *truth.shape[-2:])
    centre = functional.normalize(torch.randn(len(truth), 512), dim=1)
    return Batch(truth, truth, ones, ones, centre, centre, -centre, neighbours)


@pytest.fixture(scope="module")
def loss() -> SwapLoss:
    torch.manual_seed(3)
    looks = Looks(128, 4).eval().requires_grad_(False)
    return SwapLoss(folded(Embedder()), looks, shipped_places(), 128)


def test_loss_is_least_at_the_truth(loss: SwapLoss) -> None:
    truth = torch.rand(3, 3, 128, 128)
    with torch.no_grad():
        seen = loss._seen(truth)[1]
    batch = replace(batch_of(truth), centre=seen, own=-seen)
    painted = torch.cat([torch.logit(truth), torch.full((3, 1, 128, 128), 20.0)], dim=1)
    best, terms = loss(truth, painted, batch)
    worse, _ = loss((truth + 0.3).clamp(0, 1), painted, batch)
    assert float(best) < 0.01
    assert float(worse) > float(best) + 0.1
    assert set(terms) == {
        "square", "colour", "tint", "weave", "edges", "structure", "looks", "features", "alike",
        "identity", "nearer", "moved", "paint", "mask", "flicker",
    }  # fmt: skip


def test_an_output_is_to_be_nearer_to_the_source_than_to_the_target(loss: SwapLoss) -> None:
    truth = torch.rand(2, 3, 128, 128)
    with torch.no_grad():
        seen = loss._seen(truth)[1]
    batch, painted = batch_of(truth, 0), torch.zeros(2, 4, 128, 128)
    near, far = replace(batch, centre=seen, own=-seen), replace(batch, centre=-seen, own=seen)
    found = [float(loss(truth, painted, each)[1]["nearer"]) for each in (near, far)]
    assert found[0] == 0.0
    assert found[1] == pytest.approx(2.1, abs=0.05)


def test_a_tint_counts_whatever_the_brightness() -> None:
    weight, grey = torch.ones(1, 1, 32, 32), torch.full((1, 3, 32, 32), 0.1)
    assert float(tint(grey, weight)) == pytest.approx(0.0, abs=1e-6)
    red = torch.tensor([0.1, 0.0, 0.0])[:, None, None].expand(1, 3, 32, 32)
    assert float(tint(red, weight)) == pytest.approx(0.1 * (0.701 + 2 * 0.299) / 3, rel=1e-4)
    # Of hairs the place is not known, and their colour is.
    noise = red * torch.where(torch.arange(32) % 2 == 0, 1.0, -1.0)
    assert float(tint(noise, weight)) == pytest.approx(0.0, abs=1e-6)
    half = weight.clone()
    half[..., :16] = 0.0
    mixed = torch.cat([red[..., :16], grey[..., :16]], dim=-1)
    assert float(tint(mixed, half)) == pytest.approx(0.0, abs=1e-6)


def test_a_weave_is_what_comes_again_every_few_pixels(loss: SwapLoss) -> None:
    generator = torch.Generator().manual_seed(5)
    places = torch.arange(64)
    stripes = ((places % 4 < 2).float() - 0.5).expand(1, 3, 64, 64)
    hairs = torch.rand(1, 1, 64, 64, generator=generator).expand(1, 3, 64, 64) - 0.5
    ramp = (places / 64.0).expand(1, 3, 64, 64)
    found = [woven(each)[..., 1:-1, 1:-1].mean() for each in (stripes, hairs, ramp)]
    assert float(found[0]) == pytest.approx(0.25, rel=1e-3)
    assert float(found[1]) < 0.1 * float(hairs.var())
    assert float(found[2]) == pytest.approx(0.0, abs=1e-9)
    # What the truth has of it is no fault.
    truth = (0.5 + 0.4 * stripes.repeat(1, 1, 2, 2)).repeat(2, 1, 1, 1)
    painted = torch.zeros(2, 4, 128, 128)
    flat = torch.full_like(truth, 0.5)
    assert float(loss(truth, painted, batch_of(truth, 0))[1]["weave"]) == 0.0
    assert float(loss(flat, painted, batch_of(truth, 0))[1]["weave"]) == 0.0
    assert float(loss(truth, painted, batch_of(flat, 0))[1]["weave"]) > 0.02


def test_only_what_changes_between_frames_is_flicker(loss: SwapLoss) -> None:
    truth = torch.rand(3, 3, 128, 128)
    logits = torch.zeros(3, 4, 128, 128)
    steady, jumping = truth.clone(), truth.clone()
    steady[1:] += 0.1  # wrong alike in both frames
    jumping[2:] += 0.1
    _, calm = loss(steady, logits, batch_of(truth))
    _, wild = loss(jumping, logits, batch_of(truth))
    assert float(calm["flicker"]) == pytest.approx(0.0, abs=1e-6)
    assert float(wild["flicker"]) == pytest.approx(0.1, rel=0.01)


def test_losses_reach_the_output(loss: SwapLoss) -> None:
    truth = torch.rand(3, 3, 128, 128)
    output = (truth * 0.5).requires_grad_()
    total, _ = loss(output, torch.zeros(3, 4, 128, 128), batch_of(truth))
    total.backward()
    assert torch.isfinite(output.grad).all()
    assert (output.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_a_blurred_attempt_beats_none_in_the_first_lesson_alone(loss: SwapLoss) -> None:
    rng = torch.Generator().manual_seed(3)
    still = batch_of(torch.full((1, 3, 128, 128), 0.5), 0)
    truth = 0.5 + 0.1 * torch.randn(1, 3, 8, 8, generator=rng)
    truth = functional.interpolate(truth, scale_factor=16.0)
    still = replace(still, truth=truth + 0.05 * torch.randn(truth.shape, generator=rng))
    logits = torch.zeros(1, 4, 128, 128)
    _, of_none = loss(still.target, logits, still)
    blurred = functional.avg_pool2d(truth, 9, 1, 4)
    _, of_attempt = loss(blurred, logits, still)
    assert of_attempt["square"] < 0.7 * of_none["square"]
    none, attempt = (
        [loss(output, logits, still, ease)[0] for ease in (0.0, 1.0)]
        for output in (still.target, blurred)
    )
    # What the first lesson leaves out is what speaks for leaving the target alone.
    assert none[0] - none[1] > 0
    assert attempt[1] / none[1] < attempt[0] / none[0]


def test_structure_is_that_of_the_literature() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(8)
    first = rng.random((24, 24)).astype(np.float32)
    second = np.clip(first + 0.2 * rng.standard_normal((24, 24)), 0, 1).astype(np.float32)
    _, wanted = metrics.structural_similarity(
        first, second, data_range=1.0, full=True, use_sample_covariance=False
    )
    found = structure(torch.from_numpy(first)[None, None], torch.from_numpy(second)[None, None])
    np.testing.assert_allclose(found[0, 0, 3:-3, 3:-3], wanted[3:-3, 3:-3], atol=1e-4)


def test_region_covers_what_differs() -> None:
    target = np.zeros((64, 64, 3), np.uint8)
    truth = target.copy()
    truth[10:20, 10:20] = 90
    truth[30, 30] = 90  # a single pixel is noise
    seen = np.zeros((64, 64), np.uint8)
    seen[40:50, 40:50] = 255
    region = changed_region(target, truth, seen)
    assert (region[11:19, 11:19] > 200).all()
    assert (region[41:49, 41:49] > 200).all()
    assert region[30, 5] == 0
    assert region[30, 30] == 0


def test_unit_pictures_go_both_ways() -> None:
    crop = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(from_unit(to_unit(crop).numpy()), crop)


def test_psnr_and_ssim_of_known_errors() -> None:
    first = np.zeros((16, 16, 3), np.uint8)
    where = np.ones((16, 16), bool)
    assert psnr(first, first + 255, where) == pytest.approx(0.0)
    assert psnr(first, first + 51, where) == pytest.approx(20 * np.log10(5.0))
    noisy = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert ssim(noisy, noisy, where) == pytest.approx(1.0)
    assert ssim(noisy, 255 - noisy, where) < 0.0


def test_detail_is_what_a_blur_takes_away() -> None:
    noise = np.random.default_rng(9).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    half = np.zeros((128, 128), bool)
    half[:, :64] = True
    soft = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0), np.uint8)
    assert detail(soft, half) < 0.25 * detail(noise, half)
    mixed = np.where(half[..., None], soft, noise)
    assert detail(mixed, ~half) > 3 * detail(mixed, half)
    assert detail(np.full_like(noise, 90), half) == 0.0


def test_chroma_of_known_colours() -> None:
    picture = np.full((4, 4, 3), 120, np.uint8)
    left = np.zeros((4, 4), bool)
    left[:, :2] = True
    picture[left] = (0, 0, 255)  # pure red: a* 80.1, b* 67.2
    assert chroma(picture, left) == pytest.approx(104.5, abs=0.3)
    assert chroma(picture, ~left) == pytest.approx(0.0, abs=0.05)
    assert chroma(colourless(picture), left) == pytest.approx(0.0, abs=0.05)


def test_landmarks_of_one_crop_are_not_apart() -> None:
    crop = np.random.default_rng(4).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    points = landmarks_in(crop)
    assert points.shape == (5, 2)
    assert apart(points, points, 30.0) == 0.0
    assert apart(points, points + np.array([3.0, 4.0]), 50.0) == pytest.approx(0.1)


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """A patterned face that moves by two pixels a frame; the truth is the same, but darker."""
    module = "models.training.swapper.flicker.source"
    monkeypatch.setattr(module, lambda: np.zeros(512, np.float32))
    noise = np.random.default_rng(3).uniform(0, 255, (10, 12, 3)).astype(np.float32)
    wide = np.clip(cv2.resize(noise, (80, 64), interpolation=cv2.INTER_CUBIC), 20, 235)
    wide = wide.astype(np.uint8)
    seen = np.zeros((64, 64), np.uint8)
    seen[16:48, 16:48] = 255
    cut = [np.ascontiguousarray(wide[:, 2 * k : 2 * k + 64]) for k in range(6)]
    return tuple((crop, crop - 20, seen) for crop in cut)


def showing(pictures: list[Any]) -> Any:
    """A swapper that shows these, one after the other."""
    shown = iter(pictures)

    def swap(target: Any, source: Any) -> tuple[Any, Any]:
        picture = next(shown)[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255.0
        return picture, np.ones((1, *picture.shape[1:]), np.float32)

    return swap


def test_what_moves_with_the_target_is_no_flicker(frames: tuple[Any, ...]) -> None:
    found = flicker(showing([truth for _, truth, _ in frames]), frames)
    assert found["motion"] > 5.0
    for name in ("flicker", "flicker_unswapped", "flicker_of_truth"):
        assert found[name] < 1.0
    assert found["error_change"] == pytest.approx(0.0, abs=1e-4)
    assert found["error_change_unswapped"] == pytest.approx(0.0, abs=1e-4)


def test_what_pulses_is_flicker(frames: tuple[Any, ...]) -> None:
    pulsing = [truth + (8 if k % 2 else 0) for k, (_, truth, _) in enumerate(frames)]
    found = flicker(showing(pulsing), frames)
    assert found["flicker"] == pytest.approx(8.0, abs=1.0)
    assert found["error_change"] == pytest.approx(8.0, abs=1e-3)


def test_a_wrong_face_that_stands_still_in_a_moving_head_flickers(frames: tuple[Any, ...]) -> None:
    still = [frames[0][1] for _ in frames]
    found = flicker(showing(still), frames)
    assert found["flicker"] > 5.0


def sources() -> tuple[Sources, Any]:
    # Two faces; each stands in groups of two pictures.
    plan = SimpleNamespace(faces=np.array([0, 1, 1, 0, 0, 1]), group=2)
    bank = np.eye(6, 512, dtype=np.float32)[None].repeat(2, axis=0)
    return Sources(SimpleNamespace(plan=plan), bank, np.arange(6)), plan  # type: ignore[arg-type]


def test_sources_are_of_the_face_and_of_another_scene() -> None:
    found, plan = sources()
    rng = np.random.default_rng(5)
    own = {face: np.flatnonzero(plan.faces == face) for face in (0, 1)}
    used = np.zeros((2, 6))
    for _ in range(100):
        drawn = found.draw(np.array([0, 1]), rng, scenes=np.array([0, 1]))
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, rtol=1e-5)
        used += drawn[:, :6] > 0
    for face in (0, 1):
        others = np.setdiff1d(np.arange(6), own[face])
        assert not used[face, others].any()
        same_scene = own[face][own[face] // 2 == face]
        assert not used[face, same_scene].any()
        assert used[face, np.setdiff1d(own[face], same_scene)].all()


def test_a_source_of_one_scene_alone_is_taken_all_the_same() -> None:
    plan = SimpleNamespace(faces=np.array([0, 1]), group=2)
    bank = np.eye(2, 512, dtype=np.float32)[None]
    found = Sources(SimpleNamespace(plan=plan), bank, np.arange(2))  # type: ignore[arg-type]
    drawn = found.draw(np.array([1]), np.random.default_rng(6), scenes=np.array([0]))
    assert drawn[0, 1] == pytest.approx(1.0)


def test_the_shipped_recogniser_serves_where_none_was_trained(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.training.embedder.evaluate import exported

    monkeypatch.setenv("EDGE_TRAIN_DATA", str(tmp_path))
    net = frozen_embedder()
    crops = torch.rand(2, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        found = net(crops).numpy()
    np.testing.assert_allclose(found, exported()(crops.numpy()), atol=1e-4)
    assert fingerprint(net) != fingerprint(folded(Embedder()))


def test_hard_cases_are_likelier() -> None:
    from models.training.pairs import train_plan

    plan = train_plan(40, 4)
    odds = Odds(plan, "train")
    indices = np.arange(80)
    chances = odds.of(indices)
    assert chances.sum() == pytest.approx(1.0)
    kinds = np.array([kinds_of(plan, int(i), "train") for i in indices])
    assert kinds.shape == (80, len(KINDS))
    easy, hard = chances[kinds.sum(axis=1) == 0], chances[kinds.sum(axis=1) >= 2]
    assert len(easy)
    assert len(hard)
    assert hard.min() > 1.5 * easy.max()


def test_traits_have_no_scale_and_no_seed() -> None:
    table = trait_table(200)
    assert np.abs(table.mean(axis=0)).max() < 1e-4
    assert "detail" in FACE_INDEX
    assert table.shape == (200, len(FACE_INDEX) - 1)
