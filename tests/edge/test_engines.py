"""Where TensorRT's engines lie, and for whom they are."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from edge import engines
from edge.engines import Builder, engine_folder, engines_dir, this_builder
from edge.errors import BackendError

ORIN = Builder("10.3.0", "Orin", "8.7", "12.6")


@pytest.fixture
def model(tmp_path: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "this_builder", lambda: ORIN)
    path = tmp_path / "m.onnx"
    path.write_bytes(b"a model")
    return path


def test_the_folder_is_the_owners_alone_and_says_what_it_is_for(model: Path) -> None:
    folder = engine_folder(model)
    for each in (engines_dir(), folder):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    facts = json.loads((folder / "made-for.json").read_text())
    assert (facts["tensorrt"], facts["gpu"], facts["capability"]) == ("10.3.0", "Orin", "8.7")
    assert len(facts["model"]) == 64
    assert engine_folder(model) == folder


@pytest.mark.parametrize(
    "other", [Builder("10.13.0", "Orin", "8.7", "12.6"), Builder("10.3.0", "Thor", "11.0", "12.6")]
)
def test_another_version_gpu_or_model_has_another_folder(
    model: Path, other: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine_folder(model)
    monkeypatch.setattr(engines, "this_builder", lambda: other)
    assert engine_folder(model) != first
    monkeypatch.setattr(engines, "this_builder", lambda: ORIN)
    model.write_bytes(b"another model")
    assert engine_folder(model) != first


def test_a_folder_of_somebody_else_is_refused(model: Path) -> None:
    engine_folder(model).chmod(0o770)
    with pytest.raises(BackendError, match="engines run as code, and this folder is not yours"):
        engine_folder(model)


class Library:
    """libnvinfer and libcuda, as far as they are asked."""

    def __init__(self, version: int, capability: tuple[int, int] = (8, 7), status: int = 0) -> None:
        self._version, self._capability, self._status = version, capability, status

    def getInferLibVersion(self) -> int:
        return self._version

    def cuInit(self, flags: int) -> int:
        return self._status

    def cuDeviceGet(self, device: Any, number: int) -> int:
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, number: Any, wanted: int, device: Any) -> int:
        number._obj.value = self._capability[wanted - 75]
        return 0

    def cuDriverGetVersion(self, number: Any) -> int:
        number._obj.value = 12060
        return 0


@pytest.mark.parametrize(
    ("number", "text"), [(100300, "10.3.0"), (101602, "10.16.2"), (8601, "8.6.1")]
)
def test_tensorrt_and_gpu_are_asked(
    number: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_load", lambda name: Library(number))
    assert this_builder() == Builder(text, "Orin", "8.7", "12.6")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(engines, "_load", nothing)
    with pytest.raises(BackendError, match="TensorRT is not here"):
        this_builder()
    monkeypatch.setattr(
        engines, "_load", lambda name: Library(100300) if "infer" in name else nothing(name)
    )
    with pytest.raises(BackendError, match="no NVIDIA driver"):
        this_builder()
    monkeypatch.setattr(engines, "_load", lambda name: Library(100300, status=100))
    with pytest.raises(BackendError, match="finds no GPU"):
        this_builder()
