"""That a stranger's model is tried in a child first is a test of its own, and takes a second."""

from __future__ import annotations

import pytest

from edge.isolation import looking


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "try_model_isolated", lambda path, start=None: None)
