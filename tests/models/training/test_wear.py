"""Wear in batches: it is what cameras and JPEG do, and can be laid on several pictures alike."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.wear import blurred, compressed, for_some, sample_wear, some_unworn

if TYPE_CHECKING:
    from torch import Tensor

CPU = torch.device("cpu")


def scene(side: int = 64) -> np.ndarray:
    """A picture with structure, uint8 (S, S, 3) RGB."""
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(9 * x + 4 * y), np.cos(13 * y), np.sin(21 * x * y)]
    return (127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def as_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].float() / 255.0


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_compression_is_that_of_jpeg(quality: int) -> None:
    picture = scene()
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", picture[..., ::-1], settings)
    wanted = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), float)[..., ::-1]
    found = compressed(as_tensor(picture), torch.tensor([float(quality)]))
    levels = found[0].permute(1, 2, 0).numpy() * 255.0
    lost = np.abs(picture - wanted).mean()
    assert np.abs(levels - wanted).mean() < 0.35 * lost + 0.5  # it rounds pixels too


def test_blur_is_gaussian_and_each_its_own() -> None:
    picture = scene()
    both = as_tensor(picture).repeat(2, 1, 1, 1)
    found = blurred(both, torch.tensor([0.6, 1.5])) * 255.0
    for place, sd in enumerate((0.6, 1.5)):
        wanted = cv2.GaussianBlur(
            picture.astype(np.float32), (11, 11), sd, borderType=cv2.BORDER_REPLICATE
        )
        np.testing.assert_allclose(found[place].permute(1, 2, 0).numpy(), wanted, atol=0.5)


def test_worn_pictures_stay_pictures() -> None:
    rng = np.random.default_rng(1)
    pictures = torch.rand(32, 3, 32, 32)
    wear = sample_wear(rng, 32, CPU)
    worn = wear(pictures, wear.field(pictures))
    assert worn.shape == pictures.shape
    assert 0.0 <= float(worn.min()) <= float(worn.max()) <= 1.0
    assert (worn - pictures).abs().amax(dim=(1, 2, 3)).min() > 0


def test_unworn_pictures_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    pictures = torch.rand(16, 3, 32, 32)
    unworn = torch.arange(16) % 2 == 0
    wear = some_unworn(sample_wear(rng, 16, CPU), unworn)
    worn = wear(pictures, wear.field(pictures))
    error = (worn - pictures).abs().amax(dim=(1, 2, 3))
    assert float(error[unworn].max()) < 1e-3
    assert float(error[~unworn].min()) > 1e-3


def test_two_frames_have_one_camera_and_noise_of_their_own() -> None:
    rng = np.random.default_rng(3)
    wear = sample_wear(rng, 6, CPU).for_two_frames(2)
    for name in ("gamma", "blur", "noise", "quality", "shrunk"):
        values = getattr(wear, name)
        assert torch.equal(values[2:4], values[4:])
    field = wear.field(torch.zeros(6, 3, 8, 8))
    for place in range(2):
        if float(wear.noise[2 + place]) > 0:
            assert not torch.equal(field[2 + place], field[4 + place])


@pytest.mark.parametrize("chosen", [(), (1,), (0, 1, 2)])
def test_only_the_chosen_change(chosen: tuple[int, ...]) -> None:
    pictures = torch.rand(3, 3, 8, 8)
    before = pictures.clone()
    where = torch.tensor([place in chosen for place in range(3)])
    found = for_some(where, pictures, lambda some, at: some + at[:, None, None, None] + 1.0)
    for place in range(3):
        added = place + 1.0 if place in chosen else 0.0
        torch.testing.assert_close(found[place], before[place] + added)


def test_the_argument_stays_as_it_is() -> None:
    pictures = torch.rand(64, 3, 16, 16)
    before = pictures.clone()
    wear = sample_wear(np.random.default_rng(5), 64, CPU, 1.0)
    assert bool((wear.quality > 0).any() & (wear.blur > 0).any() & wear.shrunk.any())
    assert not torch.equal(wear(pictures, wear.field(pictures)), before)
    torch.testing.assert_close(pictures, before, rtol=0, atol=0)
