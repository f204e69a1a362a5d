"""What every backend has in common; the list of files is the list of backends."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from edge import backends
from edge.backends import backend_names, open_session
from edge.errors import BackendError, EdgeError


def test_the_names_are_those_of_the_files() -> None:
    assert backend_names() == ["litert", "mnn", "ncnn", "openvino", "ort", "tflite"]


@pytest.mark.parametrize("name", backend_names())
def test_every_backend_opens_sessions(name: str) -> None:
    module = import_module(f"edge.backends.{name}")
    for function in ("open_session", "engine_version", "check_provider"):
        assert callable(getattr(module, function))


def test_an_unknown_backend_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        BackendError, match="no backend 'tpu'; known: litert, mnn, ncnn, openvino, ort, tflite"
    ):
        open_session(tmp_path / "x.onnx", backend="tpu")


@pytest.mark.parametrize("name", ["__init__", "_onnx_file", "base", "../faces"])
def test_other_modules_are_no_backends(name: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no backend"):
        open_session(tmp_path / "x.onnx", backend=name)


@pytest.mark.parametrize("threads", [-1, 100_000])
@pytest.mark.parametrize("name", backend_names())
def test_threads_that_no_machine_bears_are_refused(
    name: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were the number taken, the machine would be brought down by this test.
    monkeypatch.setattr(backends, "_module", lambda name: pytest.fail("it was taken"))
    with pytest.raises(BackendError, match=f"threads must be from 0 to .* here, not {threads}"):
        open_session(tmp_path / "x.onnx", backend=name, threads=threads)


@pytest.mark.parametrize("name", backend_names())
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x00" * 64, b"\x1c\0\0\0TFL2\x07\xff\xff"])
def test_a_file_that_is_no_model_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.bin"
    path.write_bytes(content)
    with pytest.raises(EdgeError) as caught:
        open_session(path, backend=name)
    assert "\n" not in str(caught.value)
