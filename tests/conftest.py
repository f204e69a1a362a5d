"""Every test has a home of its own: no key, ledger or consent of the user is read or written."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# No test judges by the clock: a busy machine must not make one fail.
settings.register_profile("edge-swap", deadline=None)
settings.load_profile("edge-swap")

# A shell that runs the tests in the background lets them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what pytest holds for good out of later collections.

    Conversions collect garbage between their steps, and among the objects of thousands of tests
    that took most of their time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def edge_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every user folder of edge-swap into the test's own folder."""
    home = tmp_path / "home"
    monkeypatch.setenv("EDGE_HOME", str(home))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    return home
