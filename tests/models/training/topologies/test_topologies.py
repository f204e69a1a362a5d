"""The rebuilt topologies: sizes and operators of the originals, contracts, widening, exports."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")
onnx = pytest.importorskip("onnx")

from edge.cards import load_card
from models.training.topologies.contracts import TOPOLOGIES
from models.training.topologies.export import examples, write_card, write_model
from models.training.topologies.ghost import Ghost
from models.training.topologies.hyperswap import Hyperswap
from models.training.topologies.inswapper import Inswapper
from models.training.topologies.mobile import Mobile
from models.training.topologies.simswap import Simswap
from models.training.topologies.train import halved, loss_of, swap_of
from models.training.topologies.widen import widen

if TYPE_CHECKING:
    from torch import nn


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        (lambda: Inswapper(128), 138.29),
        (Mobile, 0.51),
        (lambda: Ghost(1), 128.5),
        (lambda: Hyperswap(1), 201.25),
        (lambda: Simswap(64), 55.1),
    ],
)
def test_full_width_has_the_originals_size(build: Callable[[], nn.Module], millions: float) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in build().parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.003)


SMALL: dict[str, Callable[[], nn.Module]] = {
    "insq": lambda: Inswapper(4),
    "mob": lambda: Mobile(4, 8, 8),
    "ghost": lambda: Ghost(16),
    "hyperswap": lambda: Hyperswap(16),
    "simswap": lambda: Simswap(4),
}
COUNTS = {
    "insq": {"Conv": 20, "Gemm": 12, "Pad": 14, "ReduceMean": 24, "Reciprocal": 12, "Tanh": 1},
    "mob": {"Conv": 46, "Gemm": 39, "PRelu": 37, "BatchNormalization": 19, "Concat": 3, "Div": 19},
    "ghost": {"Conv": 59, "Gemm": 26, "Sigmoid": 13, "Expand": 26, "ConvTranspose": 7, "Resize": 8},
    "hyperswap": {"Conv": 98, "Gemm": 42, "Sigmoid": 22, "MaxPool": 4, "DepthToSpace": 1, "Pad": 1},
    "simswap": {"Conv": 26, "Gemm": 18, "Pad": 20, "ReduceMean": 36, "Resize": 3},
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_export_is_the_network_in_the_originals_operators(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    topology = TOPOLOGIES[name]
    torch.manual_seed(0)
    net = SMALL[name]().eval()
    path = tmp_path / f"{name}.onnx"
    model = write_model(net, topology, path)
    counts = Counter(node.op_type for node in model.graph.node)
    assert COUNTS[name].items() <= counts.items()
    assert model.opset_import[0].version == topology.opset
    if topology.emap:
        last = model.graph.initializer[-1].name
        assert not any(last in node.input for node in model.graph.node)
    inputs = examples(topology)
    with torch.no_grad():
        wanted = net(*inputs)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    fed = {"target": inputs[0].numpy(), "source": inputs[1].numpy()}
    for mine, theirs in zip(session.run(None, fed), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=2e-4)
    card = load_card(write_card(topology, path))
    assert card.picture is not None
    assert card.size == path.stat().st_size
    assert (card.picture.mask == "mask") == (len(wanted) == 2)
    assert wanted[0].shape == card.input.shape


@pytest.mark.parametrize("name", sorted(SMALL))
def test_picture_keeps_its_range(name: str) -> None:
    topology = TOPOLOGIES[name]
    net = SMALL[name]().eval()
    target, source = examples(topology)
    with torch.no_grad():
        batch = {"target": target, "source": source}
        picture, *mask = swap_of(net, topology, batch)
    for values in (picture, *mask):
        assert float(values.min()) >= -1e-6
        assert float(values.max()) <= 1 + 1e-6


def test_identity_reaches_the_picture() -> None:
    for name, build in SMALL.items():
        torch.manual_seed(0)
        net = build().eval()
        target, source = examples(TOPOLOGIES[name])
        with torch.no_grad():
            first, second = net(target, source)[0], net(target, -source)[0]
        assert float((first - second).abs().max()) > 1e-4, name


def test_training_normalises_as_the_exported_graph_does() -> None:
    torch.manual_seed(0)
    net = Inswapper(4)
    inputs = examples(TOPOLOGIES["insq"])
    with torch.no_grad():
        torch.testing.assert_close(net.train()(*inputs), net.eval()(*inputs), atol=1e-5, rtol=0)


def test_widening_changes_nothing_and_doubles_no_column() -> None:
    torch.manual_seed(0)
    net = Inswapper(4).eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)
    wide = widen(net, Inswapper(12), 3).eval()
    inputs = examples(TOPOLOGIES["insq"])
    with torch.no_grad():
        torch.testing.assert_close(wide(*inputs), net(*inputs), atol=1e-4, rtol=0)
    columns = wide.blocks[0].first.conv.weight[0, :3]
    assert not torch.allclose(columns[0], columns[1])


def test_loss_is_least_at_the_truth_and_mask() -> None:
    torch.manual_seed(0)
    batch = {"truth": torch.rand(2, 3, 32, 32), "region": (torch.rand(2, 1, 32, 32) > 0.5).float()}
    best = loss_of((batch["truth"], batch["region"]), batch)
    assert float(best) < 1e-4
    assert float(loss_of((batch["truth"] * 0.5, batch["region"]), batch)) > 0.1
    assert float(loss_of((batch["truth"], 1 - batch["region"]), batch)) > 0.1
    assert halved(batch)["truth"].shape == (2, 3, 16, 16)
