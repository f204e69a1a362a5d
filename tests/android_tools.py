"""What scripts/android-check has fetched; tests of what is missing are skipped and say so."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "android-check"


def _folder() -> Path:
    versions = dict(re.findall(r"\b(onnxruntime|kotlin)=([0-9.]+)", SCRIPT.read_text("utf-8")))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "edge-swap" / f"android-{versions['onnxruntime']}-{versions['kotlin']}"


FOLDER = _folder()  # before a test's own home hides it


def tool(name: str) -> Path:
    """Return the folder of what was fetched under a name, or skip the test."""
    if not (FOLDER / name).is_dir():
        pytest.skip(f"{name} is not there: scripts/android-check fetches it")
    return FOLDER / name
