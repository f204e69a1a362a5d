"""The detector that a machine takes by itself: 8 bits where they were measured to be quicker."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.faces.default import FLOAT, IN_8_BITS, default_detector
from edge.faces.detect import open_detector
from edge.providers import CPU_PROVIDER

CPU = (CPU_PROVIDER,)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An x86 processor with AVX2; its root."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: sse4_2 avx avx2\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return tmp_path


def test_8_bits_are_taken_where_they_are_quicker(machine: Path) -> None:
    assert default_detector("ort", CPU, machine) == IN_8_BITS


@pytest.mark.parametrize(
    ("backend", "providers"),
    [
        ("ort", ("CUDAExecutionProvider", CPU_PROVIDER)),
        ("ort", ("NnapiExecutionProvider",)),
        ("litert", CPU),
        ("tflite", CPU),
    ],
)
def test_float_is_taken_elsewhere(backend: str, providers: tuple[str, ...], machine: Path) -> None:
    assert default_detector(backend, providers, machine) == FLOAT


@pytest.mark.parametrize(
    ("architecture", "features"),
    [("aarch64", "asimd asimddp"), ("x86_64", "sse4_2 avx"), ("riscv64", "")],
)
def test_float_is_taken_where_nothing_was_measured(
    architecture: str, features: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "proc/cpuinfo").write_text(f"flags\t\t: {features}\n")
    monkeypatch.setattr("platform.machine", lambda: architecture)
    assert default_detector("ort", CPU, machine) == FLOAT


@pytest.mark.parametrize("name", [FLOAT, IN_8_BITS])
def test_the_default_is_opened_where_no_name_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.faces.detect.default_detector", lambda *_: name)
    assert open_detector(threads=1).card.name == name
