"""litert and tflite run the same files through the same code."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends import open_session, tflite
from edge.backends._interpreter import check_providers
from edge.errors import BackendError, EdgeError, EngineMissing, ModelError, ProviderError
from tests import tiny

NEEDS = {"litert": "ai_edge_litert", "tflite": "tflite_runtime"}


@pytest.fixture(params=sorted(NEEDS))
def backend(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    return name


def _file(folder: Path, shape: tuple[int, ...], **options: Any) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(tiny.tflite_product(shape, **options))
    return path


def _picture(*shape: int) -> Any:
    return np.random.default_rng(3).random(shape, np.float32)


@pytest.mark.parametrize("signature", [False, True])
def test_pictures_are_nchw_outside_whatever_they_are_inside(
    backend: str, signature: bool, tmp_path: Path
) -> None:
    path = _file(tmp_path, (1, 6, 8, 3), signature=signature)
    session = open_session(path, backend=backend, threads=1)
    assert (session.inputs, session.outputs) == (("frame",), ("output",))
    assert (session.engine, session.provider) == (backend, "CPUExecutionProvider")
    picture = _picture(1, 3, 6, 8)
    (result,) = session.run({"frame": picture})
    factors = np.arange(1, 4, dtype=np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(result, picture * factors, rtol=1e-6)


def test_a_model_that_keeps_nchw_is_left_alone(backend: str, tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, (1, 3, 4, 5)), backend=backend)
    picture = _picture(1, 3, 4, 5)
    (result,) = session.run({"frame": picture})
    np.testing.assert_allclose(result, picture * np.arange(1, 6, dtype=np.float32), rtol=1e-6)


def test_embeddings_are_not_turned(backend: str, tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, (1, 3)), backend=backend)
    (result,) = session.run({"frame": np.ones((1, 3), np.float32)})
    np.testing.assert_allclose(result, [[1, 2, 3]])


def test_a_dynamic_input_takes_any_size_and_back(backend: str, tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, (1, 6, 8, 3), dynamic=True), backend=backend)
    for height, width in ((6, 8), (10, 4), (6, 8)):
        picture = _picture(1, 3, height, width)
        (result,) = session.run({"frame": picture})
        assert result.shape == picture.shape
        np.testing.assert_allclose(result[:, 2], picture[:, 2] * 3, rtol=1e-6)


def test_a_fixed_input_refuses_another_size(backend: str, tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, (1, 6, 8, 3)), backend=backend)
    with pytest.raises(BackendError, match=rf"model\.tflite: {backend} failed"):
        session.run({"frame": _picture(1, 3, 4, 4)})


def test_wrong_names_are_refused(backend: str, tmp_path: Path) -> None:
    session = open_session(_file(tmp_path, (1, 6, 8, 3)), backend=backend)
    with pytest.raises(BackendError, match="inputs are frame, not picture"):
        session.run({"picture": _picture(1, 3, 6, 8)})


def test_integer_inputs_are_refused(backend: str, tmp_path: Path) -> None:
    path = _file(tmp_path, (1, 6, 8, 3), kind=tiny._UINT8)
    with pytest.raises(EdgeError) as caught:
        open_session(path, backend=backend)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(backend: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        open_session(tmp_path / "missing.tflite", backend=backend)


@pytest.mark.parametrize("keep", [8, 9, 40, 0.3, 0.6, 0.9])
def test_a_truncated_model_is_one_line(backend: str, keep: float, tmp_path: Path) -> None:
    data = tiny.tflite_product((1, 6, 8, 3))
    path = tmp_path / "model.tflite"
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(ModelError) as caught:
        open_session(path, backend=backend)
    assert "\n" not in str(caught.value)


def test_an_onnx_file_is_refused(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.detector())
    with pytest.raises(ModelError, match=r"not a \.tflite model"):
        open_session(path, backend=backend)


def test_other_providers_than_the_cpu_are_refused() -> None:
    check_providers("litert", ("CPUExecutionProvider",), True)
    check_providers("litert", ("GPU",), False)
    with pytest.raises(ProviderError, match="provider GPU is not in litert"):
        check_providers("litert", ("GPU",), True)


def test_litert_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap\[litert\]'"):
        open_session(_file(tmp_path, (1, 3)), backend="litert")


@pytest.mark.parametrize(
    ("python", "numpy_version", "words"),
    [
        ((3, 12), "1.26.4", "no release for Python 3.12"),
        ((3, 11), "2.0.0", r"does not work with numpy 2.0.0"),
        ((3, 10), "1.26.4", None),
    ],
)
def test_the_old_runtime_says_why_it_cannot_work(
    python: tuple[int, int], numpy_version: str, words: str | None
) -> None:
    reason = tflite._why_not(python, numpy_version)
    if words is None:
        assert reason is None
    else:
        assert reason is not None
        assert words in reason
        assert "edge-swap[litert]" in reason


@pytest.mark.skipif(int(version("numpy").split(".")[0]) < 2, reason="numpy 1 is installed")
def test_the_old_runtime_is_refused_beside_numpy_2(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"tflite-runtime .*litert"):
        open_session(_file(tmp_path, (1, 3)), backend="tflite")
