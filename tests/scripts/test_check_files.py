"""The check of committed files sees what it should, and leaves alone what looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_files

WORK, ROOT, OUTSIDE = "/" + "work/main", "/" + "root/.cache", "../" + "shared/models"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"path = '{WORK}'", True),
        (f"see {ROOT}", True),
        (f"read {OUTSIDE}", True),
        ("models" + WORK, False),
        ("https://example.org" + WORK, False),
        ("the root/of all", False),
    ],
)
def test_paths(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "a.py").write_text(f"first line\n{text}\n", encoding="utf-8")
    complaints = list(check_files.complaints(tmp_path, Path("a.py")))
    assert bool(complaints) == found
    assert all(line.startswith("a.py:2: ") for line in complaints)


@pytest.mark.parametrize(("folder", "found"), [("models/samples", True), ("models/weights", False)])
def test_sizes(tmp_path: Path, folder: str, found: bool) -> None:
    name = Path(folder) / "big.bin"
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / name).write_bytes(bytes(check_files.LARGEST_FILE + 1))
    assert bool(list(check_files.complaints(tmp_path, name))) == found
