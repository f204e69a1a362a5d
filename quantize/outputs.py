"""Where a conversion writes: beside the output folder first, into it only when all is there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge.errors import OutputError, UsageError
from edge.interrupts import held_back
from edge.publish import OLD, remove_stale_folders, temporary_folder, writing_failed

__all__ = ["Names", "Staging", "check_outputs", "folder_beside", "names_of"]

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Names:
    """What the files of one conversion are called; all begin with the name of the model.

    Attributes:
        model: `<stem>.<target>.<precision>.<format>`.
        report: the JSON with all figures.
        emap: the side file with the lifted emap, float32 .npy.
        operators: of a .ort model: what a reduced build of the engine must have; empty for others.
    """

    model: str
    report: str
    emap: str
    operators: str

    def all(self) -> tuple[str, ...]:
        """Return every name that could be written."""
        return (*self.parts(), self.report, *self.sides())

    def parts(self) -> tuple[str, ...]:
        """Return the names of the model's own files: of a very large one there are two."""
        return (self.model, f"{self.model}.data")

    def sides(self) -> tuple[str, ...]:
        """Return the names of the files that can lie beside it."""
        return tuple(name for name in (self.emap, self.operators) if name)


def names_of(model: Path, target: str, precision: str, form: str) -> Names:
    """Return the names for a model, a target, a precision and a format."""
    stem = f"{model.stem}.{target}.{precision}"
    name = f"{stem}.{form}"
    operators = f"{stem}.required_operators.config" if form == "ort" else ""
    return Names(name, f"{name}.json", f"{name}.emap.npy", operators)


@contextlib.contextmanager
def folder_beside(output: Path) -> Iterator[Path]:
    """Make a folder beside an output; whatever ends the block, it is gone then.

    Raises:
        OutputError: nothing can be written there, or what the block writes cannot be.
    """
    place = output.absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        made = temporary_folder(place.parent, place.name)
    except OSError as error:
        raise writing_failed(output, error) from error
    try:
        yield made
    except OSError as error:
        raise writing_failed(output, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def check_outputs(
    folder: Path, names: Names, inputs: Iterable[Path], *, overwrite: bool = False
) -> None:
    """Refuse an output before any work is done for it.

    Args:
        folder: where the files will be; it may not exist yet.
        names: of the files.
        inputs: files that are read; none of them is ever replaced.
        overwrite: whether files of an earlier conversion may be replaced.

    Raises:
        UsageError: an output is an input, under whatever name.
        OutputError: a file exists, or the folder cannot be written to.
    """
    remove_stale_folders(folder)  # what a killed conversion was about to replace is there again
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is no folder; choose another one with -o")
    home = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(home, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: the folder {home} may not be written to")
    sources = [path for path in inputs if path.exists()]
    for name in names.all():
        path = folder / name
        if not os.path.lexists(path):
            continue
        if any(path.exists() and path.samefile(source) for source in sources):
            raise UsageError(f"{path}: is an input itself; choose another folder with -o")
        if path.is_dir() and not path.is_symlink():
            raise OutputError(f"{path}: is there and no plain file; choose another folder")
        if not overwrite:
            _refuse_taken(path)


def _refuse_taken(path: Path) -> None:
    """Refuse a name that something has, be it since a moment ago: another run, or the user."""
    if os.path.lexists(path):
        raise OutputError(f"{path}: exists already; choose another folder or give --overwrite")


class Staging:
    """A temporary folder beside the output folder; use it as a context manager.

    Whatever ends the block (an error, Ctrl-C), the folder is gone, and the output folder holds
    nothing of a conversion that did not come to its end.
    """

    def __init__(self, output: Path) -> None:
        """Prepare; nothing is made yet.

        Args:
            output: the output folder.
        """
        self._output = output
        self._folder: Path | None = None

    def __enter__(self) -> Staging:
        output = self._output.absolute()
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            self._folder = temporary_folder(_place(output), output.name)
        except OSError as error:
            raise writing_failed(self._output, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """The temporary folder."""
        if self._folder is None:
            raise RuntimeError("use it as a context manager")
        return self._folder

    def path(self, name: str) -> Path:
        """Return where a file is to be written until it is published."""
        return self.folder / name

    def publish(
        self,
        last: str,
        *,
        overwrite: bool = False,
        whole: Iterable[str] = (),
        private: bool = False,
        made: Callable[[Path], None] = lambda path: None,
    ) -> tuple[Path, ...]:
        """Move everything into the output folder; the model comes last, for it says "done".

        Files of an earlier conversion are set aside first, and are there again should this fail.

        Args:
            last: name of the file that comes last.
            overwrite: whether files that are there are replaced.
            whole: every name that could have been written. What an earlier conversion left under
                one of them, and this one does not make, goes: beside the new model it would be
                taken for a part of it.
            private: the files are for their owner alone.
            made: called with every file in its place; when it fails, all are taken back.

        Returns:
            The files, the model last.

        Raises:
            OutputError: a file cannot be moved, or another one took its name while this one was
                made; then all is as it was before.
        """
        folder = self.folder
        names = sorted((p.name for p in folder.iterdir()), key=lambda name: name == last)
        new = not self._output.exists()
        placed: list[Path] = []
        earlier = _Earlier(self._output)
        with held_back():
            try:
                self._output.mkdir(exist_ok=True)
                for name in () if overwrite else names:
                    _refuse_taken(self._output / name)
                left = sorted(set(whole) - set(names)) if overwrite else []
                earlier.set_aside([*left, *names])
                for name in names:
                    source, path = folder / name, self._output / name
                    if private:
                        source.chmod(_PRIVATE)
                    os.replace(source, path)
                    placed.append(path)
                    made(path)
            except BaseException as error:
                _take_back(placed, earlier, self._output if new else None)
                if isinstance(error, OSError):
                    raise writing_failed(self._output, error) from error
                raise
            earlier.drop()
        return tuple(placed)


class _Earlier:
    """Files that an output replaces: out of the way until all of the output is in its place."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._folder: Path | None = None
        self._moved: list[tuple[Path, Path]] = []  # from where, and to where

    def set_aside(self, names: Sequence[str]) -> None:
        """Move what has one of the names; the last of them, the model, goes first.

        Raises:
            OSError: one cannot be moved.
        """
        there = [self._output / name for name in names if os.path.lexists(self._output / name)]
        if not there:
            return
        # In the output folder: from there `remove_stale_folders` puts it back after a kill.
        self._folder = temporary_folder(self._output, names[-1])
        (self._folder / OLD).mkdir()
        for path in reversed(there):
            aside = self._folder / OLD / path.name
            os.replace(path, aside)
            self._moved.append((path, aside))

    def put_back(self) -> None:
        """Give them their names again.

        Raises:
            OutputError: one cannot be moved; it and those after it stay where they are.
        """
        for path, aside in reversed(self._moved):
            try:
                os.replace(aside, path)
            except OSError as error:
                raise OutputError(
                    f"{path}: what was there cannot be put back ({error.strerror or error}): it is "
                    f"{aside} now, move it by hand"
                ) from error
        self.drop()

    def drop(self) -> None:
        """Remove what is still set aside."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _place(output: Path) -> Path:
    """Return the folder to work in: beside the output, or in it where that is another disk."""
    parent = output.parent
    if not output.exists():
        return parent
    beside = os.access(parent, os.W_OK | os.X_OK)
    return parent if beside and parent.stat().st_dev == output.stat().st_dev else output


def _take_back(placed: Iterable[Path], earlier: _Earlier, folder: Path | None) -> None:
    try:
        for path in placed:
            path.unlink(missing_ok=True)
    finally:
        earlier.put_back()
    if folder is not None:
        with contextlib.suppress(OSError):
            folder.rmdir()
