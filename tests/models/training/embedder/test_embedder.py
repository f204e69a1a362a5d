"""The recogniser: contract, folding, and the figures of its evaluation."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.embedder.data import as_input, to_input, worn
from models.training.embedder.evaluate import auc, nearest_share, scores
from models.training.embedder.net import Embedder, folded


@pytest.fixture(scope="module")
def net() -> Embedder:
    torch.manual_seed(0)
    net = Embedder()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 3, 112, 112))
    return net.eval()


def test_unit_vectors(net: Embedder) -> None:
    with torch.no_grad():
        out = net(torch.rand(2, 3, 112, 112) * 2 - 1)
    assert out.shape == (2, 512)
    np.testing.assert_allclose(out.norm(dim=1), 1.0, atol=1e-5)


def test_size(net: Embedder) -> None:
    assert sum(p.numel() for p in net.parameters()) <= 1_000_000


def test_folding_changes_nothing(net: Embedder) -> None:
    still = folded(net)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in still.modules())
    crops = torch.rand(2, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        np.testing.assert_allclose(still(crops), net(crops), atol=1e-5)


def test_auc_of_known_orders() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([0.0]), np.array([0.0])) == 0.5
    assert auc(np.array([0.0, 2.0]), np.array([1.0])) == 0.5


def test_nearest_of_known_neighbours() -> None:
    first = np.eye(4, dtype=np.float32)
    second = first[[0, 1, 3, 2]]  # two are taken for each other
    assert nearest_share(first, first) == 1.0
    assert nearest_share(first, second) == 0.5


def test_both_ways_to_the_input_agree() -> None:
    crop = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    rgb = torch.from_numpy(crop[..., ::-1].transpose(2, 0, 1).copy())[None].float() / 255.0
    np.testing.assert_allclose(as_input(rgb)[0], to_input(crop), atol=1e-6)


def test_most_views_are_worn_and_some_are_not() -> None:
    crops = torch.rand(64, 3, 32, 32)
    changed = (worn(crops, np.random.default_rng(2)) - crops).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.5 < float(changed.float().mean()) < 0.95


def test_scores_of_perfect_embeddings() -> None:
    labels = np.repeat(np.arange(4, dtype=np.int64), 3)
    result = scores(np.eye(4, dtype=np.float32)[labels], labels)
    assert result["auc"] == 1.0
    assert result["tar_at_far_1e2"] == 1.0
