"""Where a bundle goes: what may be replaced, and folder and archive in their places together."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.archive import pack
from edge.bundle.contents import CONTENTS, Contents
from edge.bundle.holders import Holder
from edge.errors import OutputError, UsageError
from edge.interrupts import held_back
from edge.publish import OLD, writing_failed
from quantize.outputs import folder_beside

__all__ = ["Piece", "Places", "packed", "put_in_place"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a bundle goes.

    Attributes:
        folder: the bundle's.
        archive: .zip file of the same, where that is asked for.
        overwrite: whether an earlier bundle is replaced.
        inputs: files and folders that are read, none of which is ever replaced.
    """

    folder: Path
    archive: Path | None
    overwrite: bool
    inputs: Sequence[Path]

    def check(self) -> None:
        """Refuse an output: before any work is done for it, and again when all of it is done.

        Raises:
            UsageError: an input lies in it, or it is the folder that the user is in.
            OutputError: something is there that may not be replaced.
        """
        self._check_folder()
        if self.archive is not None and os.path.lexists(self.archive):
            self._check_archive(self.archive)

    def _check_folder(self) -> None:
        output = self.folder
        real = output.resolve()
        inside = [path for path in self.inputs if path.resolve().is_relative_to(real)]
        if inside:
            raise UsageError(
                f"{output}: the input {inside[0]} lies in it; choose another name with -o"
            )
        if not os.path.lexists(output):
            return
        with contextlib.suppress(OSError):  # one that was removed is no output
            here = Path.cwd()
            if real in (here, *here.parents):
                raise UsageError(
                    f"{output}: is the folder that you are in, or one above it, and a bundle takes "
                    "the place of its folder; choose another name with -o"
                )
        if output.is_dir() and os.path.ismount(output):
            raise OutputError(
                f"{output}: is a disk of its own, whose place no bundle can take; name a folder in "
                "it with -o"
            )
        empty = output.is_dir() and not output.is_symlink() and not any(output.iterdir())
        ours = output.is_dir() and (output / CONTENTS).is_file() and not output.is_symlink()
        if not empty and not (ours and self.overwrite):
            more = "; give --overwrite to replace it" if ours else " and is no bundle"
            raise OutputError(f"{output}: exists already{more}, or choose another name with -o")

    def _check_archive(self, archive: Path) -> None:
        if not _is_bundle(archive):
            raise OutputError(
                f"{archive}: exists already and is no bundle; choose another name with -o"
            )
        if not self.overwrite:
            raise OutputError(f"{archive}: exists already; give --overwrite to replace it")


def _is_bundle(archive: Path) -> bool:
    """Return whether a file is a .zip with a bundle's list of contents in it."""
    try:
        if not archive.is_file():
            return False
        with zipfile.ZipFile(archive) as opened:
            return CONTENTS in opened.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


@dataclass(frozen=True, slots=True)
class Piece:
    """A file or folder on its way to its name.

    Attributes:
        made: where it is now.
        name: where it goes.
        aside: where what has that name now is kept until all are in their places; `edge.publish`
            puts it back from there after a kill.
    """

    made: Path
    name: Path
    aside: Path


@contextlib.contextmanager
def packed(
    holder: Holder,
    contents: Contents,
    archive: Path,
    *,
    seal: bytes,
    mode: int,
    note: Callable[[Path], None],
) -> Iterator[Piece]:
    """Pack a bundle beside where its archive goes; whatever ends the block, that folder is gone.

    Args:
        holder: where the files come from.
        contents: what it holds.
        archive: where the .zip file goes.
        seal: its bundle.sig.
        mode: of the file.
        note: called with that folder, before anything is in it.

    Yields:
        The archive, which has not got its name yet.

    Raises:
        OutputError: the disk is full, or the folder may not be written to.
    """
    with folder_beside(archive) as folder:
        note(folder)
        made = folder / archive.name
        try:
            pack(holder, contents, made, seal=seal, mode=mode)
        except OutputError as error:
            raise OutputError(str(error).replace(str(made), str(archive))) from error
        yield Piece(made, archive, folder / OLD / archive.name)


def put_in_place(places: Places, pieces: Sequence[Piece], *, note: Callable[[Path], None]) -> None:
    """Give folder and archive their names: all of them, or all is as it was before.

    Args:
        places: where they go; looked at once more, for hours may have gone by.
        pieces: what goes there.
        note: called with each in its place; when it fails, all are taken back.

    Raises:
        UsageError: see `Places.check`.
        OutputError: something has come there meanwhile that may not be replaced.
            Or one cannot be moved.
    """
    begun: list[Piece] = []
    with held_back():
        places.check()
        try:
            for piece in pieces:
                begun.append(piece)
                piece.aside.parent.mkdir()
                if os.path.lexists(piece.name):
                    os.replace(piece.name, piece.aside)
                os.replace(piece.made, piece.name)
                note(piece.name)
        except BaseException as error:
            for piece in reversed(begun):
                _take_back(piece)
            if isinstance(error, OSError):
                raise writing_failed(begun[-1].name, error) from error
            raise


def _take_back(piece: Piece) -> None:
    """Undo what was done for a piece: no note tells of it, so erasing somebody would miss it."""
    if not piece.made.exists():
        os.replace(piece.name, piece.made)
    if os.path.lexists(piece.aside):
        os.replace(piece.aside, piece.name)
