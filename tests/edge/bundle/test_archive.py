"""The .zip file of a bundle: the same folder gives the same bytes."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge.bundle.archive import pack
from edge.bundle.checking import read_papers
from edge.bundle.holders import FolderHolder, ZipHolder
from edge.errors import OutputError
from tests.bundles import Made


def packed(made: Made, path: Path, **more: Any) -> Path:
    holder = FolderHolder(made.folder)
    seal = (made.folder / "bundle.sig").read_bytes()
    pack(holder, read_papers(holder).contents, path, **{"seal": seal, "mode": 0o600, **more})
    return path


def test_the_same_bytes_at_any_time(made: Made, tmp_path: Path) -> None:
    first = packed(made, tmp_path / "one.zip")
    for path in made.folder.rglob("*"):
        path.touch()
    assert packed(made, tmp_path / "two.zip").read_bytes() == first.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert names[:2] == ["bundle.sig", "bundle.toml"]
        assert names[2:] == sorted(names[2:])
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_it_holds_what_the_folder_holds(made: Made, tmp_path: Path) -> None:
    folder, archive = FolderHolder(made.folder), ZipHolder(packed(made, tmp_path / "one.zip"))
    assert archive.names() == folder.names()
    for name in folder.names():
        assert archive.read(name, 1 << 20) == folder.read(name, 1 << 20)


def test_a_full_disk_leaves_nothing(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    old = packed(made, tmp_path / "one.zip").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        packed(made, tmp_path / "one.zip", seal=b"another")
    assert (tmp_path / "one.zip").read_bytes() == old
    assert not list(tmp_path.glob(".*.part"))
