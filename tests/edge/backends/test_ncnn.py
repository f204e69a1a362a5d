"""ncnn: one archive, names and shapes kept, everything else one line."""

from __future__ import annotations

import json
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends import open_session
from edge.errors import BackendError, EngineMissing, ModelError, ProviderError

HERE = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")

# ncnn's own text: magic, then numbers of layers and blobs, then a layer a line.
PARAM = """7767517
4 4
Input            a     0 1 in0
Input            b     0 1 in1
ReLU             c     1 1 in0 out0
UnaryOp          d     1 1 in1 out1 0=1
"""
NAMES = {
    "inputs": [
        {"name": "target", "blob": "in0", "shape": [1, 3, 4, 5]},
        {"name": "source", "blob": "in1", "shape": [1, 7]},
    ],
    "outputs": [
        {"name": "negated", "blob": "out1", "shape": [1, 7]},
        {"name": "output", "blob": "out0", "shape": [1, 3, 4, 5]},
    ],
}


def _file(folder: Path, param: str = PARAM, names: Any = NAMES, **options: Any) -> Path:
    path = folder / "model.ncnn"
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("names.json", json.dumps(names))
        archive.writestr("model.param", param)
        archive.writestr("model.bin", b"")
    return path


def _shaped(which: str, shape: list[int]) -> Any:
    """Return the names with another shape for the last of them."""
    *others, last = NAMES[which]
    return {**NAMES, which: [*others, {**last, "shape": shape}]}


def _feeds() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {
        "target": rng.standard_normal((1, 3, 4, 5)).astype(np.float32),
        "source": rng.standard_normal((1, 7)).astype(np.float32),
    }


@HERE
def test_names_shapes_and_order_are_the_contracts(tmp_path: Path) -> None:
    session = open_session(_file(tmp_path), backend="ncnn", threads=1)
    assert (session.inputs, session.outputs) == (("target", "source"), ("negated", "output"))
    assert (session.engine, session.provider) == ("ncnn", "CPUExecutionProvider")
    feeds = _feeds()
    for _ in range(2):
        negated, output = session.run(feeds)
        np.testing.assert_array_equal(negated, -feeds["source"])
        np.testing.assert_array_equal(output, np.maximum(feeds["target"], 0))


@HERE
def test_an_array_that_is_a_view_is_read_right(tmp_path: Path) -> None:
    session = open_session(_file(tmp_path), backend="ncnn")
    feeds = _feeds()
    turned = np.asfortranarray(feeds["target"])
    _, output = session.run({**feeds, "target": turned})
    np.testing.assert_array_equal(output, np.maximum(feeds["target"], 0))


@HERE
def test_wrong_feeds_are_refused(tmp_path: Path) -> None:
    session = open_session(_file(tmp_path), backend="ncnn")
    with pytest.raises(BackendError, match="inputs are target, source, not picture"):
        session.run({"picture": np.zeros((1, 3, 4, 5), np.float32)})
    with pytest.raises(BackendError, match=r"has shape \(1, 3, 4, 5\), not"):
        session.run({**_feeds(), "target": np.zeros((1, 3, 5, 5), np.float32)})


@HERE
@pytest.mark.parametrize(
    "change",
    [
        {"param": "no param"},
        {"param": PARAM.replace("ReLU ", "Unknown9 ")},
        {"names": {"inputs": []}},
        {"names": [1, 2]},
        {"names": {**NAMES, "outputs": [{"name": "x", "blob": "no such", "shape": [1]}]}},
        {"compression": zipfile.ZIP_DEFLATED},
    ],
    ids=["no layers", "unknown layer", "no outputs", "a list", "unknown blob", "compressed"],
)
def test_a_damaged_archive_is_one_line(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ncnn cannot load it") as caught:
        open_session(_file(tmp_path, **change), backend="ncnn")
    assert "\n" not in str(caught.value)


@HERE
def test_an_output_of_another_size_than_was_stated(tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, names=_shaped("outputs", [1, 3, 4, 6])), backend="ncnn")
    with pytest.raises(BackendError, match="output output has 60 values, which its shape"):
        session.run(_feeds())


@HERE
@pytest.mark.parametrize("which", ["inputs", "outputs"])
@pytest.mark.parametrize("shape", [[0, 3], [], [1, -3, 4, 5], [1, 1 << 40]])
def test_a_stated_shape_of_no_size_or_too_much(
    which: str, shape: list[int], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="refused: its input or output"):
        open_session(_file(tmp_path, names=_shaped(which, shape)), backend="ncnn")


@HERE
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"x" * 300])
def test_what_is_no_archive_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.ncnn"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="ncnn cannot load it"):
        open_session(path, backend="ncnn")


def test_other_files_and_providers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="edge quantize --format ncnn"):
        open_session(tmp_path / "m.onnx", backend="ncnn")
    with pytest.raises(ProviderError, match="Vulkan"):
        open_session(tmp_path / "m.ncnn", backend="ncnn", providers=["VulkanProvider"])


def test_a_missing_engine_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[ncnn\]"):
        open_session(tmp_path / "m.ncnn", backend="ncnn")
