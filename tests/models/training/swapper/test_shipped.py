"""A training that goes on from the shipped swapper, with its recogniser and with another one."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.swapper import shipped
from models.training.swapper.export import write
from models.training.swapper.net import LENGTH, Swapper


def perturbed() -> Swapper:
    torch.manual_seed(0)
    net = Swapper(128).eval()
    for parameter in net.parameters():  # no two tensors alike, as after training
        parameter.data += torch.randn_like(parameter) * 0.02
    return net


def unit(count: int, seed: int) -> Any:
    rows = torch.randn(count, LENGTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def test_it_begins_with_the_shipped_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, net = perturbed(), Swapper(128).eval()
    target, source = torch.rand(1, 3, 128, 128), unit(1, 1)
    with torch.no_grad():
        wanted = before(target, source)
        write(before, tmp_path / "ref_swapper.onnx")
        monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
        shipped.begin_with_shipped(net)
        for mine, theirs in zip(net(target, source), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_a_swapper_shows_the_same_after_it_was_reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two recognisers that say the same of a face, the one mirrored: the swap stays as it was."""
    faces = unit(3000, 5)
    places: list[Any] = []

    def looked_at(pictures: Any, indices: Any, rng: Any) -> Any:
        places.append(indices)
        return torch.zeros(len(indices), 3, 2, 2)

    monkeypatch.setattr(shipped, "aligned", looked_at)
    monkeypatch.setattr(shipped, "frozen_embedder", lambda: lambda crops: faces[places[-1]])
    old = faces.flip(1)
    monkeypatch.setattr(shipped, "exported", lambda path: lambda crops: old[places[-1]].numpy())
    net, before = perturbed(), perturbed()
    shipped.reword(net, SimpleNamespace(ready=np.arange(3000)), Path("old.onnx"))  # type: ignore[arg-type]
    target = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        wanted, _ = before(target, old[:1])
        unheard, _ = net(target, old[:1])
        found, _ = net(target, faces[:1])
    assert float((found - wanted).abs().mean()) < 0.2 * float((unheard - wanted).abs().mean())
