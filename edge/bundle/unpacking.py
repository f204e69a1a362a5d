"""From a .zip file to a folder that is complete or not there, in the user's cache."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from edge import resources
from edge.bundle.checking import check_names, check_parts
from edge.bundle.contents import CONTENTS, MOST_CONTENTS, SEAL, Contents
from edge.bundle.holders import FolderHolder, ZipHolder
from edge.bundle.seal import MOST_SEAL
from edge.consent.erase import identity_cache_dir
from edge.consent.storage import make_private_dir, sync_folder
from edge.errors import BundleError, OutputError
from edge.publish import remove_stale_folders, temporary_folder, writing_failed

_SPARE = 16 << 20
"""Bytes that must stay free on the disk: the ledger has to be written too."""

_THERE = frozenset({errno.ENOTEMPTY, errno.EEXIST})
"""What a rename answers where a folder with something in it has the name."""


def unpacked_dir(contents: Contents) -> Path:
    """Return where a bundle is unpacked; it goes with the identity that is baked in, if one is."""
    if contents.identity:
        return identity_cache_dir(contents.identity) / "bundles" / contents.id
    return resources.cache_dir() / "bundles" / contents.id


def unpack(holder: ZipHolder, contents: Contents) -> Path:
    """Unpack a bundle whose seal was checked, and check its parts; return the folder.

    One that is there already is checked and used again.

    Raises:
        BundleError: A part is missing or was changed.
        OutputError: The disk is full; nothing is left then. What a killed process left goes with
            the next bundle that is unpacked.
    """
    check_names(holder, contents)
    folder = unpacked_dir(contents)
    if folder.is_dir():
        try:
            check_parts(FolderHolder(folder, holder.where), contents)
            return folder
        except BundleError:
            shutil.rmtree(folder, ignore_errors=True)  # an old one that was meddled with
    make_private_dir(folder.parent)
    remove_stale_folders(folder.parent)  # what killed processes left is room too
    try:
        free = shutil.disk_usage(folder.parent).free
        if free < contents.size + _SPARE:
            raise OutputError(
                f"{holder.where}: needs {contents.size / 1e6:.0f} MB in {folder.parent} to be "
                f"unpacked, and {free / 1e6:.0f} MB are free: free some space, or unpack it "
                "elsewhere and name the folder"
            )
        work = temporary_folder(folder.parent, folder.name)
    except OSError as error:
        raise writing_failed(folder, error) from error
    # A folder in it, so that no part of a bundle passes for what such a folder keeps itself.
    staging = work / "unpacked"
    try:
        for path, most in _wanted(contents):
            _write(holder, path, most, staging / path)
        check_parts(FolderHolder(staging, holder.where), contents)
        if not _renamed(staging, folder):  # another process unpacked the same bundle meanwhile
            check_parts(FolderHolder(folder, holder.where), contents)
        sync_folder(folder.parent)
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(work)
    return folder


def _renamed(staging: Path, folder: Path) -> bool:
    """Give the unpacked bundle its name; return whether that was free."""
    try:
        os.replace(staging, folder)
    except OSError as error:
        if error.errno not in _THERE:
            raise
        return False
    return True


def _wanted(contents: Contents) -> list[tuple[str, int]]:
    papers = [(CONTENTS, MOST_CONTENTS), (SEAL, MOST_SEAL)]
    return [*papers, *((part.path, part.size) for part in contents.parts)]


def _write(holder: ZipHolder, path: str, most: int, output: Path) -> None:
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        left = most
        for chunk in holder.chunks(path, most):
            left -= len(chunk)
            if left < 0:  # a bomb: more comes out than was signed
                raise BundleError(
                    f"{holder.where}: {path} was changed after the bundle was signed: get the "
                    "bundle again"
                )
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
