"""Two processes that unpack the same bundle at once; see `test_opening` for all else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from edge.bundle.archive import pack
from edge.bundle.checking import Papers, read_papers
from edge.bundle.contents import SEAL
from edge.bundle.holders import FolderHolder, ZipHolder
from edge.bundle.unpacking import unpack, unpacked_dir
from edge.errors import BundleError
from tests.bundles import Made


@pytest.fixture
def archive(made: Made) -> tuple[Path, Papers]:
    """A bundle as a .zip file, and its papers."""
    path = made.folder.with_suffix(".zip")
    holder = FolderHolder(made.folder)
    papers = read_papers(holder)
    seal = (made.folder / SEAL).read_bytes()
    pack(holder, papers.contents, path, seal=seal, mode=0o600)
    return path, papers


def _meanwhile(monkeypatch: pytest.MonkeyPatch, made: Made, folder: Path, change: str = "") -> None:
    """Have another process be done just before this one gives its folder the name."""
    real = os.replace

    def late(source: Path, destination: Path) -> None:
        if destination == folder:
            shutil.copytree(made.folder, folder)
            if change:
                (folder / change).write_bytes(b"meddled with")
        real(source, destination)

    monkeypatch.setattr(os, "replace", late)


def test_the_second_takes_what_the_first_made(
    made: Made, archive: tuple[Path, Papers], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, papers = archive
    folder = unpacked_dir(papers.contents)
    _meanwhile(monkeypatch, made, folder)
    assert unpack(ZipHolder(path), papers.contents) == folder
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_it_is_checked_like_any_other(
    made: Made, archive: tuple[Path, Papers], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, papers = archive
    folder = unpacked_dir(papers.contents)
    _meanwhile(monkeypatch, made, folder, "models/tiny_baked.onnx")
    with pytest.raises(BundleError, match="was changed"):
        unpack(ZipHolder(path), papers.contents)
