"""How many threads an engine may be told to start."""

from __future__ import annotations

import os

import pytest

from edge.threads import most_threads


@pytest.mark.parametrize(("cores", "most"), [(None, 64), (2, 64), (16, 64), (128, 512)])
def test_the_most_grows_with_the_machine(
    cores: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert most_threads() == most
