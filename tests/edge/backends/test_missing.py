"""An engine that is absent, and one that is there and does not load, are told apart."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from edge.backends._missing import engine_missing
from edge.backends.ort import engine_version
from edge.errors import EngineMissing

MEND = "pip install 'edge-swap[cpu]'"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'thing'", name="thing"),
        ModuleNotFoundError("No module named 'thing.inner'", name="thing.inner"),
        PackageNotFoundError("thing"),
    ],
)
def test_absent(error: ImportError) -> None:
    assert str(engine_missing("Thing", "thing", MEND, error)) == f"Thing is not installed: {MEND}"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ImportError("numpy.core.multiarray failed to import\nmore"), "multiarray failed"),
        (ModuleNotFoundError("No module named 'numpy'", name="numpy"), "named 'numpy'"),
        (ImportError(), "ImportError"),
    ],
)
def test_does_not_load(error: ImportError, why: str) -> None:
    text = str(engine_missing("Thing", "thing", MEND, error))
    assert text.startswith("Thing is installed, and does not load (")
    assert why in text
    assert "\n" not in text
    assert MEND not in text


def test_an_engine_of_another_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('built for NumPy 1')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(EngineMissing, match=r"does not load.*built for NumPy 1"):
        engine_version()
