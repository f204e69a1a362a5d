"""Exported graphs compute what the network does, with the depth-to-space of devices."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.export import export

if TYPE_CHECKING:
    from torch import Tensor


class Small(torch.nn.Module):  # type: ignore[name-defined, misc, unused-ignore]
    """A convolution whose channels become pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = torch.nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.pixel_shuffle(self.conv(x), 2)


def test_what_is_exported_computes_the_same(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net, picture = Small().eval(), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        model = export(net, (picture,), ["x"], ["y"], tmp_path / "small.onnx")
        wanted = net(picture).numpy()
    node = next(node for node in model.graph.node if node.op_type == "DepthToSpace")
    assert next(a.s for a in node.attribute if a.name == "mode") == b"DCR"
    session = runtime.InferenceSession(
        str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"x": picture.numpy()})[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert list(tmp_path.iterdir()) == [tmp_path / "small.onnx"]
