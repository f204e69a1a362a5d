"""The recogniser: contract, folding, and the figures of its evaluation."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.embedder.evaluate import auc, scores
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


def test_scores_of_perfect_embeddings() -> None:
    labels = np.repeat(np.arange(4, dtype=np.int64), 3)
    result = scores(np.eye(4, dtype=np.float32)[labels], labels)
    assert result["auc"] == 1.0
    assert result["tar_at_far_1e2"] == 1.0
