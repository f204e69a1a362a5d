"""Exported graphs: weights that half precision holds, and the depth-to-space of devices."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.export import export, shorten

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


def stored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


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
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # 11 bits of mantissa
    assert list(tmp_path.iterdir()) == [tmp_path / "small.onnx"]


def test_weights_are_short_and_biases_are_not() -> None:
    rng = np.random.default_rng(1)
    values = {
        "weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=4).astype(np.float32),
        "huge": np.full((2, 2), 1e6 + 0.1, np.float32),
    }
    graph = onnx.GraphProto()
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in values.items())
    model = onnx.ModelProto(graph=graph)
    shorten(model)
    found = stored(model)
    assert all(value.dtype == np.float32 for value in found.values())
    np.testing.assert_array_equal(found["weight"], values["weight"].astype(np.float16))
    np.testing.assert_allclose(found["weight"], values["weight"], rtol=6e-4)
    for name in ("bias", "huge"):
        np.testing.assert_array_equal(found[name], values[name])
