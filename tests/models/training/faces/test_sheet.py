"""Sheets of faces."""

import pytest

pytest.importorskip("numba")

from pathlib import Path

import cv2

from models.training.faces.sheet import main, sheet


def test_a_sheet_has_its_rows_and_columns() -> None:
    assert sheet(2, 3, 0, 40).shape == (80, 120, 3)
    assert sheet(3, 2, 0, 40, swap=True, plain=True).shape == (120, 80, 3)


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_the_command_writes_a_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert main(["--out", str(path), "--rows", "1", "--cols", "2", "--size", "32"]) == 0
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (32, 64, 3)
