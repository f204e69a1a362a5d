"""The student's network: contract, size, work, and the rules of its graph for every target."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")
onnx = pytest.importorskip("onnx")

from models.training.distil.net import (
    MOST_GMAC,
    MOST_PARAMETERS,
    Student,
    composited,
    cost_of,
    patch_of,
)
from models.training.export import export
from quantize.checks import examine
from quantize.export.tflite.export import to_tflite
from quantize.targets import load_target

SIZES = (64, 112, 128, 224, 256, 512)


def student(size: int = 128) -> Student:
    torch.manual_seed(0)
    net = Student(size).eval()
    for parameter in net.parameters():  # no two tensors alike, as after training
        parameter.data += torch.randn_like(parameter) * 0.02
    return net.requires_grad_(False)


@pytest.mark.parametrize("size", SIZES)
def test_contract(size: int) -> None:
    output, mask = student(size)(torch.rand(2, 3, size, size))
    assert output.shape == (2, 3, size, size)
    assert mask.shape == (2, 1, size, size)
    for values in (output, mask):
        assert float(values.min()) >= 0.0
        assert float(values.max()) <= 1.0


@pytest.mark.parametrize("size", SIZES)
def test_size_and_work(size: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net = student(size)
    parameters, gmac = cost_of(net)
    assert parameters == sum(p.numel() for p in net.parameters()) <= MOST_PARAMETERS
    assert gmac <= MOST_GMAC
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 3, size, size))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, rel=1e-6)


def test_where_the_mask_is_nothing_the_target_stays() -> None:
    target, logits = torch.rand(1, 3, 8, 8), torch.zeros(1, 4, 8, 8)
    logits[:, 3] = -40.0
    assert torch.equal(composited(target, logits)[0], target)
    logits[:, 3] = 40.0
    assert torch.allclose(composited(target, logits)[0], torch.tensor(0.5))


def test_a_size_that_cannot_be_halved() -> None:
    assert [patch_of(size) for size in (64, 128, 224, 256, 512)] == [2, 2, 4, 4, 8]
    with pytest.raises(ValueError, match="100 pixels"):
        patch_of(100)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "student.onnx"
    export(student(), (torch.rand(1, 3, 128, 128),), ["target"], ["output", "mask"], path)
    return path


def test_no_target_objects(exported: Path) -> None:
    model = onnx.load(str(exported))
    for name in ("jetson", "raspberry_pi", "android_nnapi"):
        checked = examine(model, load_target(name), "onnx")
        assert checked is not None
        assert not checked.findings, (name, checked.findings)


def test_export_is_the_network(exported: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    target = torch.rand(1, 3, 128, 128)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    for mine, theirs in zip(
        session.run(None, {"target": target.numpy()}), student()(target), strict=True
    ):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)


def test_tflite_gives_the_same(exported: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from edge.backends import open_session

    path = tmp_path / "student.tflite"
    path.write_bytes(to_tflite(onnx.load(str(exported))))
    target = torch.rand(1, 3, 128, 128)
    session = open_session(path, backend="litert", threads=1)
    got = dict(zip(session.outputs, session.run({"target": target.numpy()}), strict=True))
    picture, mask = student()(target)
    np.testing.assert_allclose(got["output"], picture.numpy(), atol=1e-5)
    np.testing.assert_allclose(got["mask"], mask.numpy(), atol=1e-5)
