"""Where things lie: in a checkout, in a wheel, and in the user's own folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge import resources

SHIPPED = {
    "cards": resources.cards_dir,
    "weights": resources.weights_dir,
    "samples": resources.samples_dir,
}
OWN = {
    "config": resources.config_dir,
    "data": resources.data_dir,
    "state": resources.state_dir,
    "cache": resources.cache_dir,
}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_in_a_checkout(name: str) -> None:
    assert SHIPPED[name]() == Path(__file__).parents[2] / "models" / name


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_in_a_wheel(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "edge"
    (package / "_models").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert SHIPPED[name]() == package / "_models" / name


def test_a_stray_folder_beside_the_package_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "edge"
    package.mkdir(parents=True)
    (tmp_path / "site-packages" / "models" / "cards").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.cards_dir() == package / "_models" / "cards"


@pytest.mark.parametrize("name", sorted(OWN))
def test_one_roof_for_all_own_folders(name: str, edge_home: Path) -> None:
    assert OWN[name]() == edge_home / name
    assert not edge_home.exists(), "asking for a folder must not make it"


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_platform_s_own_folders(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind in OWN:
        monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", str(tmp_path / f"xdg-{kind}"))
    assert OWN[name]().is_relative_to(tmp_path)
    assert OWN[name]().name == "edge-swap"
    assert len({folder() for folder in OWN.values()}) == len(OWN)


@pytest.mark.parametrize(("value", "expected"), [("/models", Path("/models")), ("", None)])
def test_extra_models(value: str, expected: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MODELS_DIR", value)
    assert resources.extra_models_dir() == expected


def test_shipped_folders_are_found_without_platformdirs() -> None:
    code = "import sys, edge.resources as r; r.cards_dir(); print('platformdirs' in sys.modules)"
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert child.stdout.strip() == "False"
