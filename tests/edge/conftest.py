"""A bundle to start from, made once and copied for every test."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bundles import Made


@pytest.fixture(scope="session")
def _pattern(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """Enrolling somebody takes longer than all that a test does with a bundle."""
    from tests.bundles import bundle

    folder = tmp_path_factory.mktemp("pattern")
    before = os.environ.get("EDGE_HOME")
    os.environ["EDGE_HOME"] = str(folder / "home")
    try:
        return folder, bundle(folder / "home", folder / "work")
    finally:
        if before is None:
            del os.environ["EDGE_HOME"]
        else:
            os.environ["EDGE_HOME"] = before


@pytest.fixture
def made(_pattern: tuple[Path, Made], edge_home: Path, tmp_path: Path) -> Made:
    """A good bundle, signed by this home's own key, with its stage."""
    from tests.bundles import Made

    folder, pattern = _pattern
    shutil.copytree(folder / "home", edge_home, dirs_exist_ok=True)
    shutil.copytree(folder / "work", tmp_path / "work")

    def moved(path: Path) -> Path:
        return tmp_path / path.relative_to(folder)

    stage = replace(
        pattern.stage,
        folder=moved(pattern.stage.folder),
        identity_file=moved(pattern.stage.identity_file),
    )
    return Made(moved(pattern.folder), stage)
