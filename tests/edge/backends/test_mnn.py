"""MNN: the same numbers as ONNX Runtime, nothing printed, everything else one line."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends import open_session
from edge.errors import BackendError, EngineMissing, ModelError, ProviderError
from tests import tiny

HERE = pytest.mark.skipif(find_spec("MNN") is None, reason="MNN is not installed")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the tiny swapper as .onnx and as .mnn."""
    onnx = pytest.importorskip("onnx")
    from quantize.export.mnn import to_mnn

    folder = tmp_path_factory.mktemp("mnn")
    path = folder / "m.onnx"
    path.write_bytes(tiny.swapper())
    to_mnn(onnx.load(str(path)), folder / "m.mnn")
    return path, folder / "m.mnn"


def _feeds(session: Any) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {each.name: rng.random(each.shape, np.float32) for each in session._session.get_inputs()}


@HERE
def test_it_computes_what_onnx_runtime_does(
    converted: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    theirs = open_session(converted[0], threads=1)
    ours = open_session(converted[1], backend="mnn", threads=1)
    assert sorted(ours.inputs) == sorted(theirs.inputs)
    assert sorted(ours.outputs) == sorted(theirs.outputs)
    assert (ours.engine, ours.provider) == ("mnn", "CPUExecutionProvider")
    feeds = _feeds(theirs)
    for _ in range(2):
        wanted = dict(zip(theirs.outputs, theirs.run(feeds), strict=True))
        for name, values in zip(ours.outputs, ours.run(feeds), strict=True):
            np.testing.assert_allclose(values, wanted[name], atol=1e-5)
    assert capfd.readouterr().out == ""  # JSON for a machine may be expected there


@HERE
def test_wrong_feeds_are_refused(converted: tuple[Path, Path]) -> None:
    pytest.importorskip("onnxruntime")
    session = open_session(converted[1], backend="mnn")
    with pytest.raises(BackendError, match="inputs are"):
        session.run({"picture": np.zeros((1, 3, 4, 5), np.float32)})
    feeds = _feeds(open_session(converted[0], threads=1))
    with pytest.raises(BackendError, match=r"m\.mnn: mnn failed: input target has shape"):
        session.run({**feeds, "target": np.zeros((1, 3, 5, 5), np.float32)})


@HERE
@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, b"\0" * 4096])
def test_what_is_no_model_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.mnn"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"an \.mnn model") as caught:
        open_session(path, backend="mnn")
    assert "\n" not in str(caught.value)


@HERE
def test_a_truncated_model_is_one_line(converted: tuple[Path, Path], tmp_path: Path) -> None:
    data = converted[1].read_bytes()
    path = tmp_path / "m.mnn"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"not an \.mnn model, or damaged"):
        open_session(path, backend="mnn")


def test_other_files_and_providers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="edge quantize --format mnn"):
        open_session(tmp_path / "m.onnx", backend="mnn")
    with pytest.raises(ProviderError, match="CUDA"):
        open_session(tmp_path / "m.mnn", backend="mnn", providers=["CUDAExecutionProvider"])


def test_a_missing_engine_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MNN", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[mnn\]"):
        open_session(tmp_path / "m.mnn", backend="mnn")
