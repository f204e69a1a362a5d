"""Somebody who is nobody, enrolled with tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scene import Stage, stage


@pytest.fixture
def nobody(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "stage")
