"""Weighing: known spreads, known weights, and strangers that are told apart better for it."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")

from models.training.embedder import weigh as module
from models.training.embedder.net import CHECKPOINT, LENGTH, Embedder, folded, unweighed
from models.training.embedder.weigh import Spread, apart, best_ridge, mixture, spread, turned, weigh
from tests.training import refusal

Floats = npt.NDArray[np.float32]


def crowd(
    people: int, views: int, signal: int, noise: int, seed: int = 0
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Embeddings of which a few numbers tell people apart, and the larger rest tells nothing."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(people), views)
    person = rng.normal(size=(people, signal))[whose]
    seen = person + 0.2 * rng.normal(size=person.shape)
    vectors = np.concatenate([seen, 1.5 * rng.normal(size=(len(whose), noise))], axis=1)
    turn = np.linalg.qr(rng.normal(size=(signal + noise, signal + noise)))[0]
    return (vectors @ turn).astype(np.float32), whose


def test_spreads_are_those_that_were_drawn() -> None:
    rng = np.random.default_rng(1)
    whose = np.repeat(np.arange(4000), 4)
    person = rng.normal(size=(4000, 3)) * (2.0, 1.0, 0.0)
    vectors = person[whose] + rng.normal(size=(16000, 3)) * (0.5, 1.0, 1.0)
    found = spread(vectors.astype(np.float32), whose)
    np.testing.assert_allclose(found.within, np.diag([0.25, 1.0, 1.0]), atol=0.05)
    # Of a person's mean of four pictures a quarter of the variance within is left.
    np.testing.assert_allclose(found.between, np.diag([4.0, 1.0, 0.0]), atol=0.2)


def test_a_number_counts_as_far_as_the_person_shows_in_it() -> None:
    of = Spread(within=np.diag([1.0, 4.0, 1.0]), between=np.diag([3.0, 4.0, 0.0]))
    found = mixture(of, 0.0)
    weights = np.linalg.norm(found, axis=0)  # each number goes into one mixture here
    np.testing.assert_allclose(weights, [0.75, 0.5 / 2.0, module._LEAST], rtol=1e-3)
    assert np.linalg.matrix_rank(found) == 3  # and nothing is lost


def test_numbers_are_of_like_size_and_cosines_stay() -> None:
    rng = np.random.default_rng(5)
    found = np.diag(np.geomspace(1.0, 1e-4, 256))
    vectors = rng.normal(size=(400, 256))
    one, two = vectors @ found.T, vectors @ turned(found).T
    sizes = two.std(axis=0)
    assert sizes.max() < 4 * sizes.min()
    np.testing.assert_allclose(one @ one.T, two @ two.T, atol=1e-9)


def test_strangers_are_told_apart_better() -> None:
    vectors, whose = crowd(60, 6, signal=6, noise=40)
    others, names = crowd(60, 6, signal=6, noise=40)  # the same turn, drawn alike
    ridge, before, after = best_ridge(vectors, whose)
    assert after > before + 0.05
    weighed = others @ mixture(spread(vectors, whose), ridge).T
    assert apart(weighed, names) > apart(others, names) + 0.05


@pytest.mark.parametrize("whose", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_too_few_are_refused(whose: list[int]) -> None:
    with pytest.raises(ValueError, match="two people"):
        spread(np.ones((4, 8), np.float32), np.array(whose))


def test_a_network_is_weighed_folded_and_unweighed() -> None:
    torch.manual_seed(0)
    net = Embedder()
    crops = torch.rand(24, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        net(crops)
    net.eval()
    with torch.no_grad():
        plain = net(crops)
        whose = np.repeat(np.arange(8), 3)
        weigh(net, plain.numpy(), whose, 1.0)
        wanted = plain.numpy() @ turned(mixture(spread(plain.numpy(), whose), 1.0)).T
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        np.testing.assert_allclose(net(crops), wanted, atol=1e-4)
        np.testing.assert_allclose(folded(net)(crops), wanted, atol=1e-4)
        np.testing.assert_allclose(unweighed(net)(crops), plain, atol=1e-6)
    assert plain.shape[1] == LENGTH


def test_without_a_checkpoint_it_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(module, tmp_path, monkeypatch, capsys)
    assert "scripts/train embedder.train" in said
    assert list(tmp_path.iterdir()) == []


def test_without_strangers_the_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / CHECKPOINT
    torch.save({"average": Embedder().state_dict()}, path)
    before = path.read_bytes()
    said = refusal(module, tmp_path, monkeypatch, capsys)
    assert "scripts/train pairs" in said
    assert path.read_bytes() == before
