"""The swapper: contract, size, rules of the exported graph, and its data and losses."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.embedder.net import Embedder, folded
from models.training.export import export
from models.training.faces.identity import FACE_INDEX
from models.training.swapper.adopt import ridge
from models.training.swapper.data import changed_region, from_unit, to_unit
from models.training.swapper.evaluate import psnr
from models.training.swapper.export import settled
from models.training.swapper.losses import SwapLoss
from models.training.swapper.net import Swapper
from models.training.traits import trait_table

if TYPE_CHECKING:
    from torch import Tensor


def inputs(count: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    source = torch.nn.functional.normalize(torch.randn(count, 512), dim=1)
    return torch.rand(count, 3, 128, 128), source


@pytest.fixture
def net() -> Swapper:
    torch.manual_seed(0)
    net = Swapper().eval()
    for parameter in net.parameters():  # no two tensors alike, as after training
        parameter.data += torch.randn_like(parameter) * 0.02
    return net


def test_contract(net: Swapper) -> None:
    with torch.no_grad():
        output, mask = net(*inputs(2))
    assert output.shape == (2, 3, 128, 128)
    assert mask.shape == (2, 1, 128, 128)
    for values in (output, mask):
        assert float(values.min()) >= 0.0
        assert float(values.max()) <= 1.0


def test_size_and_work(net: Swapper) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    assert sum(p.numel() for p in net.parameters()) <= 1_100_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs())
    assert counter.get_total_flops() / 2 <= 0.5e9


@pytest.fixture
def exported(net: Swapper, tmp_path: Path) -> Path:
    path = tmp_path / "swapper.onnx"
    export(settled(net), inputs(), ["target", "source"], ["output", "mask"], path)
    return path


def test_export_is_the_network(net: Swapper, exported: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    target, source = inputs()
    with torch.no_grad():
        wanted = net(target, source)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    got = session.run(None, {"target": target.numpy(), "source": source.numpy()})
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)


def test_export_keeps_the_rules_of_devices(exported: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(exported)).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"PRelu", "ConvTranspose", "InstanceNormalization", "Pad", "Expand", "Shape"}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Resize":
            assert list(stored[node.input[1]].dims) == [0]
        if node.op_type == "DepthToSpace":
            assert [a.s for a in node.attribute if a.name == "mode"] == [b"DCR"]
    for value in [*graph.input, *graph.output]:
        assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim)


def test_loss_is_least_at_the_truth() -> None:
    loss = SwapLoss(folded(Embedder()))
    truth = torch.rand(2, 3, 128, 128)
    ones = torch.ones(2, 1, 128, 128)
    centre = torch.nn.functional.normalize(torch.randn(2, 512), dim=1)
    batch = {"truth": truth, "region": ones, "face": ones, "centre": centre}
    best, terms = loss(truth, ones * 20, batch)
    worse, _ = loss((truth + 0.3).clamp(0, 1), ones * 20, batch)
    assert float(best) < 0.01
    assert float(worse) > float(best) + 0.1
    assert set(terms) >= {"colour", "edges", "identity", "mask"}


def test_region_covers_what_differs() -> None:
    target = np.zeros((64, 64, 3), np.uint8)
    truth = target.copy()
    truth[10:20, 10:20] = 90
    seen = np.zeros((64, 64), np.uint8)
    seen[40:50, 40:50] = 255
    region = changed_region(target, truth, seen)
    assert (region[11:19, 11:19] > 200).all()
    assert (region[41:49, 41:49] > 200).all()
    assert region[30, 5] == 0


def test_unit_pictures_go_both_ways() -> None:
    crop = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(from_unit(to_unit(crop).numpy()), crop)


def test_psnr_of_a_known_error() -> None:
    first = np.zeros((8, 8, 3), np.uint8)
    where = np.ones((8, 8), bool)
    assert psnr(first, first + 255, where) == pytest.approx(0.0)
    assert psnr(first, first + 51, where) == pytest.approx(20 * np.log10(5.0))


def test_adopted_layer_gives_the_same_style_from_embeddings() -> None:
    rng = np.random.default_rng(4)
    traits = rng.standard_normal((3000, 6))
    mixing = rng.standard_normal((6, 512))
    inputs = traits @ mixing
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    # Unit length loses one number: how far a face is from the average one.
    wanted = traits / np.linalg.norm(traits @ mixing, axis=1, keepdims=True) * 22.0
    matrix, offset = ridge(inputs, wanted, strength=1e-6)
    np.testing.assert_allclose(inputs @ matrix + offset, wanted, atol=0.02)
    assert matrix.shape == (512, 6)


def test_traits_have_no_scale_and_no_seed() -> None:
    table = trait_table(200)
    assert np.abs(table.mean(axis=0)).max() < 1e-4
    assert "detail" in FACE_INDEX
    assert table.shape == (200, len(FACE_INDEX) - 1)
