"""Where a bundle goes: nothing of others is replaced, and folder and archive come together."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle.contents import CONTENTS
from edge.errors import OutputError, UsageError
from edge.publish import OLD
from quantize import bundle_outputs
from quantize.bundle_outputs import Piece, Places, packed, put_in_place


def places(folder: Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> Places:
    return Places(folder / "alice", folder / "alice.zip", overwrite, inputs)


def bundle(folder: Path, text: str) -> None:
    (folder / "alice").mkdir()
    (folder / "alice" / CONTENTS).write_text(text)
    archive(folder / "alice.zip", CONTENTS, text)


def archive(path: Path, name: str, text: str = "") -> None:
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(name, text)


def shown(folder: Path) -> dict[str, str]:
    """Return what folder and archive hold, as far as they are there."""
    found = {}
    if (folder / "alice").exists():
        found["folder"] = (folder / "alice" / CONTENTS).read_text()
    if (folder / "alice.zip").exists():
        with zipfile.ZipFile(folder / "alice.zip") as opened:
            found["archive"] = opened.read(CONTENTS).decode()
    return found


def test_an_earlier_bundle_is_replaced_when_that_is_asked_for(tmp_path: Path) -> None:
    places(tmp_path).check()
    bundle(tmp_path, "old")
    with pytest.raises(OutputError, match="exists already; give --overwrite"):
        places(tmp_path).check()
    places(tmp_path, overwrite=True).check()


def _photos(path: Path) -> None:
    archive(path, "holiday.jpg")


@pytest.mark.parametrize("make", [_photos, Path.mkdir, lambda path: path.write_bytes(b"no zip")])
def test_an_archive_of_something_else_is_never_replaced(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "alice.zip")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"alice\.zip: exists already and is no bundle"):
            places(tmp_path, overwrite=overwrite).check()


def test_no_input_is_replaced(tmp_path: Path) -> None:
    bundle(tmp_path, "old")
    mine = tmp_path / "alice" / "me.png"
    with pytest.raises(UsageError, match=r"the input .*me\.png lies in it"):
        places(tmp_path, overwrite=True, inputs=(mine,)).check()


@pytest.mark.parametrize("output", [".", "..", "../here"])
def test_the_folder_that_one_is_in(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the folder that you are in"):
        Places(Path(output), None, True, ()).check()


def test_a_disk_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alice").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(OutputError, match="is a disk of its own"):
        places(tmp_path).check()


@pytest.fixture
def pieces(tmp_path: Path) -> list[Piece]:
    """A new folder and a new archive, each beside where it goes."""
    work = tmp_path / "work"
    (work / "bundle").mkdir(parents=True)
    (work / "bundle" / CONTENTS).write_text("new")
    (work / "zip").mkdir()
    archive(work / "zip" / "alice.zip", CONTENTS, "new")
    return [
        Piece(work / "bundle", tmp_path / "alice", work / OLD / "alice"),
        Piece(work / "zip" / "alice.zip", tmp_path / "alice.zip", work / "zip" / OLD / "alice.zip"),
    ]


@pytest.mark.parametrize("earlier", [True, False])
def test_both_come_into_their_places(earlier: bool, tmp_path: Path, pieces: list[Piece]) -> None:
    if earlier:
        bundle(tmp_path, "old")
    noted: list[str] = []
    put_in_place(
        places(tmp_path, overwrite=earlier), pieces, note=lambda path: noted.append(path.name)
    )
    assert shown(tmp_path) == {"folder": "new", "archive": "new"}
    assert noted == ["alice", "alice.zip"]


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("at", ["alice", "alice.zip"])
@pytest.mark.parametrize("error", [OutputError("no note"), OSError(28, "full"), ValueError()])
def test_when_one_fails_all_is_as_it_was(
    error: Exception, at: str, earlier: bool, tmp_path: Path, pieces: list[Piece]
) -> None:
    if earlier:
        bundle(tmp_path, "old")
    before = shown(tmp_path)

    def refuse(path: Path) -> None:
        if path.name == at:
            raise error

    kind = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(kind) as caught:
        put_in_place(places(tmp_path, overwrite=earlier), pieces, note=refuse)
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"{tmp_path / at}: cannot be written: the disk is full")
    assert shown(tmp_path) == before
    assert all(piece.made.exists() for piece in pieces)  # where a note tells of them


def test_what_has_come_there_meanwhile_stays(tmp_path: Path, pieces: list[Piece]) -> None:
    wanted = places(tmp_path, overwrite=True)
    wanted.check()
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is no bundle"):
        put_in_place(wanted, pieces, note=lambda path: None)
    assert [path.name for path in (tmp_path / "alice").iterdir()] == ["thesis.txt"]


def test_an_archive_is_packed_beside_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Path] = []
    goal = tmp_path / "alice.zip"

    def pack(holder: object, contents: object, output: Path, **_: object) -> None:
        assert noted == [output.parent]  # should this process be killed now
        output.write_bytes(b"zip")

    def full(holder: object, contents: object, output: Path, **_: object) -> None:
        raise OutputError(f"{output}: cannot be written: the disk is full")

    given = {"seal": b"", "mode": 0o600, "note": noted.append}
    monkeypatch.setattr(bundle_outputs, "pack", pack)
    with packed(None, None, goal, **given) as piece:  # type: ignore[arg-type]
        assert (piece.name, piece.made.read_bytes()) == (goal, b"zip")
        assert piece.aside.parent.parent == piece.made.parent
        assert not goal.exists()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(bundle_outputs, "pack", full)
    with pytest.raises(OutputError) as caught, packed(None, None, goal, **given):  # type: ignore[arg-type]
        pass
    assert str(caught.value) == f"{goal}: cannot be written: the disk is full"
    assert list(tmp_path.iterdir()) == []
