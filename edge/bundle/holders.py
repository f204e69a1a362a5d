"""The two shapes of a bundle, a folder and a .zip file: reading either with suspicion."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from edge.bundle.contents import CONTENTS
from edge.consent.storage import reason
from edge.errors import BundleError

__all__ = ["FolderHolder", "Holder", "ZipHolder", "holder_of"]

CHUNK = 1 << 20
_MOST_ENTRIES = 600
_MOST_DIRECTORY = 1 << 18  # bytes of a zip's list of files
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\5\6"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError)


class Holder(Protocol):
    """A bundle as it lies on the disk."""

    @property
    def where(self) -> str:
        """The bundle as the user named it."""

    def names(self) -> set[str]:
        """Return the paths of all files in it.

        Raises:
            BundleError: Something in it is no plain file: a link, a device.
        """

    def read(self, path: str, most: int) -> bytes:
        """Return a file of at most so many bytes.

        Raises:
            BundleError: It is missing, larger, or cannot be read.
        """

    def chunks(self, path: str, most: int) -> Iterator[bytes]:
        """Yield a file piece by piece; one byte more than `most` at the most.

        Raises:
            BundleError: It is missing, or cannot be read.
        """


def holder_of(path: Path) -> FolderHolder | ZipHolder:
    """Return a bundle's holder: a folder's, or a .zip file's.

    Raises:
        BundleError: There is neither.
    """
    if path.is_dir():
        return FolderHolder(path)
    if not path.exists():
        raise BundleError(f"{path}: no such bundle; check the path")
    if not path.is_file():
        raise BundleError(f"{path}: is neither a folder nor a file, so it is no bundle")
    return ZipHolder(path)


def digest_of(holder: Holder, path: str, most: int) -> tuple[str, int]:
    """Return a file's SHA-256, hex, and its size; it is read to `most` bytes and one."""
    digest, size = hashlib.sha256(), 0
    for chunk in holder.chunks(path, most):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _limited(file: BinaryIO, most: int) -> Iterator[bytes]:
    left = most + 1
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _whole(holder: Holder, path: str, most: int) -> bytes:
    data = b"".join(holder.chunks(path, most))
    if len(data) > most:
        raise BundleError(f"{holder.where}: {path} is larger than {most} bytes, so it is none")
    return data


class FolderHolder:
    """A bundle in a folder.

    Attributes:
        folder: The folder.
        where: The same, as the user named it.
    """

    def __init__(self, folder: Path, where: str = "") -> None:
        """Remember the folder; nothing is read yet."""
        self.folder = folder
        self.where = where or str(folder)

    def names(self) -> set[str]:
        """Return the paths of all files; see `Holder.names`."""
        return set(self._walk(self.folder, ""))

    def _walk(self, folder: Path, prefix: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise BundleError(f"{self.where}: cannot be read: {reason(error)}") from error
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if prefix.count("/") > 8:
                    raise BundleError(f"{self.where}: {name[:80]} lies too deep for a bundle")
                yield from self._walk(folder / entry.name, f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                yield name
            else:
                raise BundleError(
                    f"{self.where}: {name} is a link or no plain file, which no bundle holds"
                )

    def read(self, path: str, most: int) -> bytes:
        """Return a small file; see `Holder.read`."""
        return _whole(self, path, most)

    def chunks(self, path: str, most: int) -> Iterator[bytes]:
        """Yield a file piece by piece; see `Holder.chunks`."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(self.folder / path, flags)
        except FileNotFoundError as error:
            raise _missing(self.where, path) from error
        except OSError as error:
            raise BundleError(f"{self.where}: {path} cannot be read: {reason(error)}") from error
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BundleError(f"{self.where}: {path} is no plain file")
            try:
                yield from _limited(file, most)
            except OSError as error:
                raise BundleError(f"{self.where}: {path}: {reason(error)}") from error


def _missing(where: str, path: str) -> BundleError:
    if path == CONTENTS:
        return BundleError(f"{where}: holds no {CONTENTS}, so it is no bundle")
    return BundleError(f"{where}: {path} is missing: get the bundle again")


class ZipHolder:
    """A bundle in a .zip file.

    Its list of files is looked at before Python's own reader makes a list of it in memory, and no
    file is unpacked further than bundle.toml says that it goes.

    Attributes:
        path: The file.
        where: The same, as the user named it.
    """

    def __init__(self, path: Path) -> None:
        """Read the list of files.

        Raises:
            BundleError: It is no .zip file, or none that a bundle could be.
        """
        self.path = path
        self.where = str(path)
        try:
            _check_end(path)
            with zipfile.ZipFile(path) as archive:
                self._entries = _entries(archive.infolist(), self.where)
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {reason(error)}") from error
        except (*_DAMAGED, ValueError) as error:
            raise BundleError(f"{path}: is no bundle: not a readable .zip file") from error

    def names(self) -> set[str]:
        """Return the paths of all files; see `Holder.names`."""
        return set(self._entries)

    def read(self, path: str, most: int) -> bytes:
        """Return a small file; see `Holder.read`."""
        return _whole(self, path, most)

    def chunks(self, path: str, most: int) -> Iterator[bytes]:
        """Yield a file piece by piece; see `Holder.chunks`."""
        entry = self._entries.get(path)
        if entry is None:
            raise _missing(self.where, path)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(entry) as file:
                yield from _limited(file, most)  # type: ignore[arg-type]
        except OSError as error:
            raise BundleError(f"{self.where}: {path} cannot be read: {reason(error)}") from error
        except (*_DAMAGED, ValueError, zlib.error) as error:
            raise BundleError(
                f"{self.where}: {path} was changed after the bundle was signed, or is damaged: get "
                "the bundle again"
            ) from error


def _check_end(path: Path) -> None:
    """Refuse a list of files that is longer than any bundle's.

    Raises:
        ValueError: It is no .zip file, or is continued elsewhere, or has a comment.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _END.size:
            raise ValueError("too short")
        file.seek(size - _END.size)
        mark, _, _, here, total, length, _, comment = _END.unpack(file.read(_END.size))
    if mark != _END_MARK or comment or here != total:
        raise ValueError("no plain end of a .zip file")
    if total > _MOST_ENTRIES or length > _MOST_DIRECTORY:
        raise ValueError("too many files")


def _entries(listed: list[zipfile.ZipInfo], where: str) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in listed:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not name:  # which zipfile itself stumbles over
            raise BundleError(f"{where}: holds a file without a name, which no bundle does")
        if entry.is_dir() or kind not in (0, stat.S_IFREG):
            raise BundleError(
                f"{where}: {name[:80]} is a link or no plain file, which no bundle holds"
            )
        if name in found or entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise BundleError(
                f"{where}: {name[:80]} is there twice, encrypted, or packed unusually"
            )
        found[name] = entry
    return found
