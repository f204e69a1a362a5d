"""The check of the wheel sees what is missing and what does not belong."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts import check_wheel

SUFFIX = {"models/cards": ".toml", "models/weights": ".onnx"}
FILES = {
    source: f"a{SUFFIX.get(source, '.jpg' if source.startswith('models') else '.toml')}"
    for source in check_wheel.DATA
}
GOOD = {
    "edge/__init__.py",
    "quantize/__init__.py",
    *(f"{place}/{FILES[source]}" for source, place in check_wheel.DATA.items()),
    "edge_swap-0.1.0.dist-info/METADATA",
    "edge_swap-0.1.0.dist-info/licenses/LICENSE",
    "edge_swap-0.1.0.dist-info/sboms/sbom.cdx.json",
}


def _complaints(folder: Path, names: set[str]) -> list[str]:
    for source, name in FILES.items():
        path = folder / source / name
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


def test_every_target_is_looked_for() -> None:
    root = Path(check_wheel.__file__).parent.parent
    targets = {path.parent.name for path in (root / "targets").glob("*/profile.toml")}
    assert {f"targets/{name}" for name in targets} <= set(check_wheel.DATA)
