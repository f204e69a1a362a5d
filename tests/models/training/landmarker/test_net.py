from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the trainers are not needed")

from models.training.landmarker.crops import POINTS  # noqa: E402
from models.training.landmarker.net import SIZE, Landmarker  # noqa: E402
from models.training.landmarker.train import distance  # noqa: E402


def test_it_starts_from_the_usual_face() -> None:
    net = Landmarker().eval()
    with torch.no_grad():
        net.points.weight.zero_()
        net.points.bias.zero_()
        found, face = net(torch.zeros(2, 3, SIZE, SIZE))
    np.testing.assert_allclose(found.numpy().reshape(2, 5, 2), np.stack([POINTS] * 2), atol=1e-6)
    assert face.shape == (2, 1)
    assert ((face > 0) & (face < 1)).all()


def test_it_is_small() -> None:
    assert sum(p.numel() for p in Landmarker().parameters()) < 120_000


def test_distances_are_counted_in_eye_distances() -> None:
    truth = torch.from_numpy(POINTS)[None]
    eyes = float((truth[0, 0] - truth[0, 1]).norm())
    moved = truth + torch.tensor([0.3 * eyes, 0.4 * eyes])
    assert distance(moved, truth).item() == pytest.approx(0.5, rel=1e-5)
    profile = truth.clone()
    profile[0, 1] = profile[0, 0]  # the eyes of a profile count as a tenth of the crop
    assert distance(profile + torch.tensor([0.0, 0.05]), profile).item() == pytest.approx(0.5)
