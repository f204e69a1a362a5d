"""Probes: a package may be missing, broken, hanging or deadly, and the probe lives to tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import probe


def _ask(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str, timeout: float = 60.0) -> str:
    """Return the trouble of a package whose only file holds `code`."""
    (folder / "patient.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    question = ("patient", "module.__version__", "''")
    monkeypatch.setattr(probe, "_QUESTIONS", {"patient": question})
    answer = probe.probe_packages(timeout)["patient"]
    assert not answer.missing
    assert answer.works == (not answer.trouble)
    return answer.trouble


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("__version__ = '1'", ""),
        ("print('noise at import')\n__version__ = '1'", ""),
        ("raise RuntimeError('built for another numpy')", "RuntimeError: built for another numpy"),
        ("import os\nos.abort()", "import ends the process: Aborted"),
        ("import os\nos._exit(3)", "import ends the process with status 3"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("", "has no attribute '__version__'"),
    ],
)
def test_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, trouble: str) -> None:
    found = _ask(monkeypatch, tmp_path, code)
    assert trouble in found
    assert bool(trouble) == bool(found)


def test_a_hanging_import_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "hangs" in _ask(monkeypatch, tmp_path, "import time\ntime.sleep(60)", timeout=1.0)


def test_the_packages_of_this_environment() -> None:
    probes = probe.probe_packages()
    assert set(probes) == set(probe._QUESTIONS)
    for name in ("numpy", "cv2", "c2pa", "cryptography"):
        assert probes[name].works, probes[name]
        assert probes[name].version
    assert "SDK" in probes["c2pa"].details
    if not probes["onnxruntime"].missing:
        assert "CPUExecutionProvider" in probes["onnxruntime"].details


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    question = ("nowhere_to_be_found.deeper", "''", "''")
    monkeypatch.setattr(probe, "_QUESTIONS", {"nowhere": question})
    answer = probe.probe_packages()["nowhere"]
    assert answer.missing
    assert not answer.works
