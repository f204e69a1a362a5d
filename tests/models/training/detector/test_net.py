"""The network's contract, its losses, and what the export keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.detector.assign import candidates, grid  # noqa: E402
from models.training.detector.losses import Truth, decode, losses, overlap  # noqa: E402
from models.training.detector.net import (  # noqa: E402
    Detector,
    Exported,
    multiply_adds,
    parameters,
)


def truth(boxes: np.ndarray, points: np.ndarray, side: int) -> Truth:
    return Truth(
        torch.zeros(len(boxes), dtype=torch.int64),
        torch.from_numpy(boxes),
        torch.from_numpy(points),
        torch.from_numpy(candidates(boxes, side, side)),
        torch.zeros(1, len(grid(side, side)[0]), dtype=torch.bool),
    )


def test_the_network_is_small() -> None:
    net = Detector().eval()

    assert parameters(net) <= 300_000
    assert multiply_adds(net, 320, 320) <= 0.35e9


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_outputs_have_the_contract_shapes(height: int, width: int) -> None:
    with torch.no_grad():
        values = Exported(Detector().eval())(torch.zeros(1, 3, height, width))

    cells = [(height // s) * (width // s) for s in (8, 16, 32)]
    wanted = [(1, n, depth) for depth in (1, 4, 10) for n in cells]
    assert [tuple(v.shape) for v in values] == wanted
    assert all(float(v.min()) >= 0 and float(v.max()) <= 1 for v in values[:3])


def test_overlap_of_equal_and_of_distant_boxes() -> None:
    box = torch.tensor([10.0, 10.0, 4.0, 6.0])

    assert overlap(box, box)[0] == pytest.approx(1)
    assert overlap(box, box)[1] == pytest.approx(1)
    assert overlap(box, box + torch.tensor([50.0, 0, 0, 0]))[0] == 0
    assert overlap(box, box + torch.tensor([50.0, 0, 0, 0]))[1] < 0


def test_a_perfect_answer_costs_next_to_nothing() -> None:
    side = 128
    boxes = np.array([[30, 40, 40, 50]], np.float32)
    points = np.array([[[40, 60], [58, 60], [50, 68], [42, 78], [56, 78]]], np.float32)
    cells, strides = (torch.from_numpy(a) for a in grid(side, side))
    middle = torch.tensor([50.0, 65.0])
    shapes = torch.zeros(1, len(cells), 14)
    shapes[0, :, :2] = middle / strides[:, None] - cells
    shapes[0, :, 2:4] = torch.log(torch.tensor([40.0, 50.0]) / strides[:, None])
    offsets = torch.from_numpy(points) / strides[:, None, None] - cells[:, None]
    shapes[0, :, 4:] = offsets.flatten(1)
    decoded, _ = decode(shapes[0], cells, strides)
    assert torch.allclose(decoded, torch.tensor([50.0, 65.0, 40.0, 50.0]).expand_as(decoded))

    parts = losses(
        torch.full((1, len(cells)), -9.0), shapes, cells, strides, truth(boxes, points, side)
    )

    assert float(parts["box"]) == pytest.approx(0, abs=1e-5)
    assert float(parts["point"]) == pytest.approx(0, abs=1e-5)
    assert float(parts["iou"]) == pytest.approx(1, abs=1e-5)


def test_a_picture_without_faces_can_be_learned_from() -> None:
    cells, strides = (torch.from_numpy(a) for a in grid(64, 64))
    scores = torch.zeros(1, len(cells), requires_grad=True)
    empty = truth(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), 64)

    losses(scores, torch.zeros(1, len(cells), 14), cells, strides, empty)["loss"].backward()

    assert float(scores.grad.min()) > 0


def test_the_export_answers_as_the_network(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxslim")
    from models.training.detector.export import OUTPUTS, to_onnx

    net = Detector()
    net(torch.rand(2, 3, 64, 64))
    model = to_onnx(net)
    onnx.save(model, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])

    assert [o.name for o in session.get_outputs()] == OUTPUTS
    assert model.opset_import[0].version == 17
    for node in model.graph.node:
        assert node.op_type not in {"Pad", "PRelu", "BatchNormalization"}
        assert node.op_type != "Resize" or node.input[1]
    for height, width in ((64, 64), (320, 320), (640, 480), (96, 1920)):
        frame = torch.rand(1, 3, height, width)
        wanted = Exported(net.eval())(frame)
        got = session.run(None, {"frame": frame.numpy()})
        for ours, theirs in zip(got, wanted, strict=True):
            assert np.allclose(ours, theirs.detach().numpy(), atol=1e-4)
