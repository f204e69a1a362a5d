"""Small private files: read with a limit, written whole or not at all, readable by their owner."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import EdgeError, OutputError

MAX_RECORD = 4 * 1024 * 1024
"""Largest record read, in bytes: consents and identities are a few kilobytes."""

_BLOCK = 1 << 20


def is_there(path: Path, what: str, error: type[EdgeError]) -> bool:
    """Return whether something has this name; a link whose target is gone is something too.

    Args:
        path: The name.
        what: What it should be, for the message.
        error: The class to raise.

    Raises:
        EdgeError: `error`: it cannot be told, as in a folder that may not be entered.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as cause:
        raise error(f"cannot read the {what} {path}: {reason(cause)}") from cause
    return True


def read_record(path: Path, what: str, error: type[EdgeError]) -> bytes:
    """Return the bytes of the small file `path`.

    Args:
        path: The file.
        what: What it should be, for the message: "consent", "identity".
        error: The class to raise.

    Raises:
        EdgeError: `error`: missing, no regular file, unreadable, empty or larger than MAX_RECORD.
    """
    try:
        # Without O_NONBLOCK a named pipe would keep us waiting before its kind is known.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as cause:
        raise error(f"no {what} at {path}: check the path") from cause
    except (OSError, ValueError) as cause:
        raise error(f"cannot read the {what} {path}: {reason(cause)}") from cause
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise error(f"{path} is not a file, so it is no {what}")
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(MAX_RECORD + 1)
    except OSError as cause:
        raise error(f"cannot read the {what} {path}: {reason(cause)}") from cause
    finally:
        os.close(handle)
    if not data:
        raise error(f"{path} is empty, so it is no {what}")
    if len(data) > MAX_RECORD:
        raise error(f"{path} is larger than {MAX_RECORD // 2**20} MiB, so it is no {what}")
    return data


def reason(error: Exception) -> str:
    """Return the reason in an operating-system error, without its number."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]


def make_private_dir(path: Path) -> None:
    """Make the folder `path`, for its owner only (0700), and the folders above it.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise OutputError(f"cannot make the folder {path}: {reason(cause)}") from cause


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file `path` while it is read and written anew.

    The lock is on a file beside it, which stays, and goes with the process, however it ends. Who
    only reads needs none: a file is replaced as a whole.

    Args:
        path: The file, which may not exist yet; its folder is made.

    Raises:
        OutputError: The folder cannot be made, or the lock cannot be taken.
    """
    import fcntl  # not on every platform; only needed where a list is changed

    make_private_dir(path.parent)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path.with_suffix(".lock"), flags, 0o600)
    except OSError as cause:
        raise OutputError(f"cannot write {path}: {reason(cause)}") from cause
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as cause:
            raise OutputError(f"cannot write {path}: {reason(cause)}") from cause
        yield
    finally:
        os.close(handle)


def write_private(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write `data` to `path`, readable by its owner only (0600), whole or not at all.

    Args:
        path: The file; its folder must exist.
        data: All of its content.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputError: The file exists, or it cannot be written.
    """
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{path} exists: choose another name, or give --overwrite")
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        _write_synced(temporary, data)
        if overwrite:
            os.replace(temporary, path)
        else:
            _take_free_name(temporary, path)
        sync_folder(path.parent)
    except FileExistsError as cause:
        raise OutputError(f"{path} exists: choose another name, or give --overwrite") from cause
    except OSError as cause:
        raise OutputError(f"cannot write {path}: {reason(cause)}") from cause
    finally:
        with contextlib.suppress(OSError):
            wipe_file(temporary)  # it was not given its name, and may hold what is private
        with contextlib.suppress(OSError):
            temporary.unlink()


def replace_private(path: Path, data: bytes) -> None:
    """Write `data` to the existing file `path` as `write_private` does; zeros go over what it held.

    On flash memory the controller may keep old blocks all the same.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        old = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as cause:
        raise OutputError(f"cannot write {path}: {reason(cause)}") from cause
    try:
        alone = os.fstat(old).st_nlink == 1
        write_private(path, data, overwrite=True)
        if alone:
            wipe(old)
    except OSError as cause:
        raise OutputError(f"cannot write {path}: {reason(cause)}") from cause
    finally:
        os.close(old)


def wipe(handle: int) -> None:
    """Write zeros over all of an open file, and sync it.

    Raises:
        OSError: It cannot be written.
    """
    left = os.fstat(handle).st_size
    os.lseek(handle, 0, os.SEEK_SET)
    while left > 0:
        left -= os.write(handle, bytes(min(left, _BLOCK)))
    os.fsync(handle)


def wipe_file(path: Path) -> None:
    """Write zeros over a file, unless its content also has another name; it stays.

    Raises:
        OSError: It cannot be written.
    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return
    if not os.access(path, os.W_OK):
        path.chmod(0o600)
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        wipe(handle)
    finally:
        os.close(handle)


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _take_free_name(temporary: Path, path: Path) -> None:
    """Name the finished file; unlike a rename, a link never replaces what is there."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        # FAT and exFAT, as on memory cards, have no links.
        os.replace(temporary, path)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a loss of power.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder; the name is there all the same.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)


def writable_by_others(path: Path) -> bool:
    """Return whether the file's group or everybody may write to it."""
    return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def readable_by_others(path: Path) -> bool:
    """Return whether the file's group or everybody may read it or write to it."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
