"""The check of the wheel sees what is missing and what does not belong."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts import check_wheel

GOOD = {
    "edge/__init__.py",
    "quantize/__init__.py",
    "edge/_models/cards/a.toml",
    "edge/_models/weights/a.onnx",
    "edge/_models/samples/a.jpg",
    "edge/_models/samples/faces/a.jpg",
    "edge_swap-0.1.0.dist-info/METADATA",
    "edge_swap-0.1.0.dist-info/licenses/LICENSE",
}


def _complaints(folder: Path, names: set[str]) -> list[str]:
    for name in ("cards/a.toml", "weights/a.onnx", "samples/a.jpg", "samples/faces/a.jpg"):
        path = folder / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    wheel = folder / "edge_swap.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in sorted(names):
            archive.writestr(name, "")
    return list(check_wheel.complaints(wheel, folder))


def test_a_good_wheel(tmp_path: Path) -> None:
    assert _complaints(tmp_path, GOOD) == []


@pytest.mark.parametrize("name", sorted(name for name in GOOD if not name.endswith("__.py")))
def test_what_is_missing(tmp_path: Path, name: str) -> None:
    expected = 0 if name.endswith("METADATA") else 1
    assert len(_complaints(tmp_path, GOOD - {name})) == expected


@pytest.mark.parametrize("name", ["models/x.toml", "tests/a.py", "edge/_models/training/train.py"])
def test_what_does_not_belong(tmp_path: Path, name: str) -> None:
    (complaint,) = _complaints(tmp_path, GOOD | {name})
    assert name.split("/")[0] in complaint
