"""What other networks see of a swapper's crop: warps against OpenCV's, landmarks in crops."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.crops import TEMPLATES, between, crop_matrix, warp
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.data import to_input
from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import render
from models.training.on_device import eye_distances
from models.training.pairs import close_up
from models.training.swapper.data import TEMPLATE, to_unit
from models.training.swapper.evaluate import landmarks_in
from models.training.swapper.recrop import moved, shipped_places, to_embedder


@pytest.mark.parametrize("size", [128, 256])
def test_the_recogniser_is_shown_what_it_is_shown_elsewhere(size: int) -> None:
    rng = np.random.default_rng(3)
    rough = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    crop = np.kron(rough, np.ones((size // 8, size // 8, 1), np.uint8))
    given = torch.nn.functional.avg_pool2d(to_unit(crop)[None], 9, 1, 4, count_include_pad=False)
    smooth = (given[0].permute(1, 2, 0).numpy()[..., ::-1] * 255 + 0.5).astype(np.uint8)
    found = to_embedder()(given)[0]
    matrix = between(TEMPLATE, size, EMBEDDER_TEMPLATE, 112)
    wanted = to_input(warp(smooth, matrix, 112))
    # Halving a crop of 256 moves it by a quarter of a pixel.
    assert float((found - wanted).abs().mean()) < 0.01 * size / 128


def test_what_was_moved_is_measured_in_eye_distances() -> None:
    points = torch.from_numpy(TEMPLATES[TEMPLATE] * 128)[None].float()
    reach = float(eye_distances(points.numpy())[0])
    assert float(moved(points + torch.tensor([0.1 * reach, 0.0]), points)) == pytest.approx(0.1)
    profile = points.clone()
    profile[:, 1] = profile[:, 0]  # both eyes in one place
    far = moved(profile + torch.tensor([0.0, 1.0]), profile)
    assert float(far) == pytest.approx(1.0 / float(eye_distances(profile.numpy())[0]), rel=1e-3)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_the_landmarker_is_asked_as_the_judge_asks_it(seed: int) -> None:
    person, other, scene = sample_identity(seed), sample_identity(seed + 50), close_up(seed)
    shots = [render(who, scene, size=160) for who in (person, swapped(person, other))]
    matrix = crop_matrix(shots[0].landmarks, TEMPLATE, 128)
    target, truth = (warp(shot.picture, matrix, 128) for shot in shots)
    places = shipped_places()
    found = places(torch.stack([to_unit(target), to_unit(truth)]))
    judged = landmarks_in(target), landmarks_in(truth)
    reach = float(eye_distances(judged[0][None])[0])
    wanted = np.linalg.norm(judged[1] - judged[0], axis=1).mean() / reach
    assert float(moved(found[1:], found[:1])) == pytest.approx(wanted, abs=0.015)


def test_landmarks_draw_an_output_to_the_target() -> None:
    places = shipped_places()
    generator = torch.Generator().manual_seed(4)
    crops = torch.rand(2, 3, 128, 128, generator=generator)
    found = crops[:1].clone().requires_grad_()
    wanted = places(crops[1:]).detach()
    off = moved(places(found), wanted)
    (pull,) = torch.autograd.grad(off.sum(), found)
    nearer = moved(places(found.detach() - 0.02 * pull / pull.norm()), wanted)
    assert 0.0 < float(nearer) < float(off.detach())
