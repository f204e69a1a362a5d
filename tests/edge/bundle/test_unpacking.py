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
from edge.publish import temporary_folder
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


def test_what_a_killed_process_left_goes(
    archive: tuple[Path, Papers], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, papers = archive
    folder = unpacked_dir(papers.contents)
    child = os.fork()
    if not child:  # dies in the middle of it, with the disk half full
        monkeypatch.setattr("edge.bundle.unpacking.check_parts", lambda *_: os._exit(9))
        unpack(ZipHolder(path), papers.contents)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = folder.parent.iterdir()
    assert any(left.rglob("bundle.toml"))
    assert unpack(ZipHolder(path), papers.contents) == folder
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_what_a_living_process_is_at_stays(archive: tuple[Path, Papers]) -> None:
    path, papers = archive
    folder = unpacked_dir(papers.contents)
    folder.parent.mkdir(parents=True)
    others = temporary_folder(folder.parent, folder.name)
    unpack(ZipHolder(path), papers.contents)
    assert others.is_dir()
