"""What a swapper hears of an embedding through 8 bits, before it is quietened and after."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.training.swapper import quiet as module
from models.training.swapper.net import LENGTH, Swapper
from models.training.swapper.quiet import quieten, rounding
from tests.training import refusal


def faces(count: int, seed: int) -> Any:
    """Unit vectors that differ in 100 directions, and in all others by next to nothing."""
    random = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(LENGTH, LENGTH, generator=torch.Generator().manual_seed(1)))
    sizes = torch.cat([torch.ones(100), torch.full((LENGTH - 100,), 1e-4)])
    vectors = torch.randn(count, LENGTH, generator=random) * sizes + 0.02
    return torch.nn.functional.normalize(vectors @ turn[0].T, dim=1)


def test_rounding_is_that_of_8_bits() -> None:
    vectors = torch.rand(2000, LENGTH, dtype=torch.float64) * 2 - 1
    step = 2 / 255
    error = (vectors / step).round() * step - vectors
    assert rounding(vectors) == pytest.approx(float(error.square().mean()), rel=0.02)


def test_the_face_is_heard_and_the_rounding_is_not() -> None:
    torch.manual_seed(0)
    net = Swapper(128)
    vectors, others = faces(3000, 2), faces(200, 3)
    step = float(vectors.abs().max()) * 2 / 255
    rounded = (others / step).round() * step
    with torch.no_grad():
        spread = (vectors - vectors.mean(0)).T @ (vectors - vectors.mean(0)) / len(vectors)
        quietest = torch.linalg.eigh(spread)[1][:, :300]
        loud = torch.randn(300, net.mapping.first.weight.shape[0]) * 3.0
        net.mapping.first.weight.add_((quietest @ loud).T[..., None, None])
        before = net.mapping(others)
        noise_before = (net.mapping(rounded) - before).square().mean()
        share = quieten(net, vectors)
        after = net.mapping(others)
        noise_after = (net.mapping(rounded) - after).square().mean()
    assert share > 0.99
    assert float((after - before).square().mean() / before.var(0).mean()) < 0.02
    assert float(noise_after) < 0.05 * float(noise_before)


def test_without_a_checkpoint_it_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(module, tmp_path, monkeypatch, capsys)
    assert "scripts/train swapper.train" in said
