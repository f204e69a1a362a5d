"""Give an output its name only when it is complete: beside it first, then synced and renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edge.errors import OutputError, UsageError
from edge.media.sniff import VIDEO_TYPES, is_video, media_type_for

Sign = Callable[[Path, Path], None]
"""Signs the first file into the second, and verifies the second."""

Enter = Callable[[str], None]
"""Writes and syncs the ledger's entry for an output with this SHA-256 (hex)."""

_TEMPORARY = re.compile(r"^\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{8}\.part\.\w+$")
_FOLDER = re.compile(r"^\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{8}\.part$")
_NAME_BYTES = 120  # of the output's own name in a temporary's; names end at 255 on most disks
_CHUNK = 1 << 20

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems without hard links (FAT, exFAT, some network disks) answer."""

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EFBIG: "it is larger than files may be here (a disk or process limit)",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "the folder may not be written to; choose another folder",
    errno.EPERM: "the folder may not be written to; choose another folder",
    errno.ENOENT: "the folder is not there; make it first",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def writing_failed(path: Path, error: BaseException) -> OutputError:
    """Return the error to raise (`from` the old one) when an output could not be written.

    Args:
        path: The output or its temporary file; a temporary is named as its output.
        error: An OSError, or an error of FFmpeg, which carries an errno too.
    """
    code = getattr(error, "errno", None)
    why = _REASONS.get(code or 0) or getattr(error, "strerror", None) or str(error)
    return OutputError(f"{_shown(path)}: cannot be written: {why}")


def _shown(path: Path) -> Path:
    """Return the output that a temporary stands for, so that messages name what the user named."""
    if not _TEMPORARY.match(path.name):
        return path
    return path.with_name(path.name[1:].rsplit(".", 3)[0])


def check_destination(source: Path | None, destination: Path, overwrite: bool) -> None:
    """Refuse an output before any work is done for it.

    Args:
        source: The input that it is made from; None for live pictures.
        destination: The output's name.
        overwrite: Whether an existing file may be replaced.

    Raises:
        UsageError: The suffix is unknown or does not fit the input, or it is the input itself,
            under whatever name (symbolic link, hard link).
        OutputError: It exists, is no plain file, or its folder is missing or read-only.
    """
    media_type_for(destination)
    if source is not None:
        video_out = destination.suffix.lower() in VIDEO_TYPES
        if is_video(source) != video_out:
            kind = "a picture" if video_out else "a video"
            raise UsageError(f"{destination}: {source} is {kind}; the output's suffix must fit")
        if _same_file(source, destination):
            raise UsageError(f"{destination}: is the input itself; choose another output")
    folder = destination.parent
    if not folder.is_dir():
        raise OutputError(f"{destination}: there is no folder {folder}; make it first")
    if destination.is_symlink() or destination.exists():
        if not destination.is_symlink() and not destination.is_file():
            raise OutputError(f"{destination}: is there and no plain file; choose another name")
        if not overwrite:
            raise _exists(destination)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{destination}: the folder {folder} may not be written to")


def _same_file(first: Path, second: Path) -> bool:
    try:
        if first.samefile(second):
            return True
    except OSError:  # one of them is not there (yet)
        pass
    return first.resolve() == second.resolve()


def _exists(destination: Path) -> OutputError:
    return OutputError(f"{destination}: exists already; choose another name or give --overwrite")


def remove_stale(folder: Path) -> tuple[Path, ...]:
    """Remove temporary files that dead processes of this machine left in a folder.

    Args:
        folder: Where outputs are to be written; a missing one holds none.

    Returns:
        What was removed.
    """
    removed = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # quick: it is asked again for every file of a folder
            match = _TEMPORARY.match(name)
            if match and match["host"] == host_tag() and not _alive(int(match["pid"])):
                with contextlib.suppress(OSError):
                    (folder / name).unlink()
                    removed.append(folder / name)
    return tuple(removed)


def temporary_folder(parent: Path, name: str) -> Path:
    """Make an empty folder for its owner alone, to work in until all of an output is there.

    Args:
        parent: Where it lies.
        name: The output's name.

    Raises:
        OSError: It cannot be made.
    """
    remove_stale_folders(parent)
    shown = os.fsencode(name)[:_NAME_BYTES].decode("utf-8", "ignore")
    tag = f"{host_tag()}-{os.getpid()}-{secrets.token_hex(4)}"
    path = parent / f".{shown}.{tag}.part"
    path.mkdir(0o700)
    return path


OLD = "old"
"""Where in such a folder lies what an output replaces, until the output has its name."""


def remove_stale_folders(parent: Path) -> None:
    """Remove folders of `temporary_folder` that dead processes of this machine left in a folder.

    What was about to be replaced gets its name back where nothing has it.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            match = _FOLDER.match(name)
            if match and match["host"] == host_tag() and not _alive(int(match["pid"])):
                _put_back(parent / name / OLD, parent)
                shutil.rmtree(parent / name, ignore_errors=True)


def _put_back(old: Path, parent: Path) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(old):
            if not os.path.lexists(parent / name):
                os.replace(old / name, parent / name)


def host_tag() -> str:
    """Return eight hex digits for this machine: a shared folder holds others' files too."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


class Publication:
    """One output on its way to its name; use it as a context manager.

    Whatever ends the block (an error, Ctrl-C), no temporary file stays behind, and there is nothing
    under the output's name unless `publish` came to its end.
    """

    def __init__(self, destination: Path, *, overwrite: bool = False) -> None:
        """Prepare; nothing is written yet. See `check_destination` for what to check before.

        Args:
            destination: The output's name.
            overwrite: Whether an existing file is replaced.
        """
        self._destination = destination
        self._overwrite = overwrite
        self._temporaries: list[Path] = []

    def __enter__(self) -> Publication:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in self._temporaries:
            with contextlib.suppress(OSError):
                path.unlink()

    def temporary(self) -> Path:
        """Make an empty file beside the output, readable only by its owner, with its suffix.

        Raises:
            OutputError: It cannot be made.
        """
        name = os.fsencode(self._destination.name)[:_NAME_BYTES].decode("utf-8", "ignore")
        tag = f"{host_tag()}-{os.getpid()}-{secrets.token_hex(4)}"
        suffix = self._destination.suffix or ".tmp"
        path = self._destination.with_name(f".{name}.{tag}.part{suffix}")
        self._temporaries.append(path)  # first: Ctrl-C may come between the two lines
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise writing_failed(self._destination, error) from error
        return path

    def write(self, data: bytes) -> Path:
        """Put bytes into a new temporary file.

        Args:
            data: The labelled, not yet signed output.

        Returns:
            The temporary file.

        Raises:
            OutputError: It cannot be written: the disk is full.
        """
        path = self.temporary()
        try:
            path.write_bytes(data)
        except OSError as error:
            raise writing_failed(self._destination, error) from error
        return path

    def publish(self, plain: Path, *, sign: Sign, enter: Enter) -> str:
        """Sign, enter into the ledger, and give the output its name, in this order.

        Args:
            plain: A temporary file with the labelled output; it is removed.
            sign: Called with `plain` and a new temporary; raises where that does not verify.
            enter: Called with the signed file's SHA-256 when its bytes are on the disk.

        Returns:
            The output's SHA-256, hex.

        Raises:
            OutputError: It cannot be written, or another file took its name meanwhile.
        """
        signed = self.temporary()
        try:
            sign(plain, signed)
            plain.unlink()
            digest = _synced_digest(signed)
            signed.chmod(self._mode())
        except OSError as error:
            raise writing_failed(self._destination, error) from error
        enter(digest)
        mine = signed.stat()
        try:
            self._rename(signed)
            _sync_folder(self._destination.parent)
        except BaseException as error:
            # Ctrl-C in these lines: the ledger is told that there is no output, so there is none.
            self._withdraw(mine)
            if isinstance(error, OSError):
                raise writing_failed(self._destination, error) from error
            raise
        return digest

    def _withdraw(self, mine: os.stat_result) -> None:
        """Take the name away again if it is our file that has it."""
        with contextlib.suppress(OSError):
            if os.path.samestat(mine, self._destination.lstat()):
                self._destination.unlink()

    def _mode(self) -> int:
        """Return the file mode: that of the file replaced, or what the umask leaves."""
        if self._overwrite and self._destination.is_file():
            return stat.S_IMODE(self._destination.stat().st_mode)
        return 0o666 & ~_umask()

    def _rename(self, signed: Path) -> None:
        if self._overwrite:
            signed.replace(self._destination)
            return
        try:
            # A link, unlike a rename, never replaces what is there.
            os.link(signed, self._destination)
        except FileExistsError as error:
            raise _exists(self._destination) from error
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(self._destination):
                raise _exists(self._destination) from error
            signed.replace(self._destination)
        else:
            signed.unlink()


def publish_file(
    plain: bytes,
    destination: Path,
    *,
    sign: Sign,
    enter: Enter,
    overwrite: bool = False,
) -> str:
    """Publish an output whose labelled bytes are in memory: a picture.

    Args:
        plain: The labelled, not yet signed file.
        destination: The output's name.
        sign: See `Publication.publish`.
        enter: See `Publication.publish`.
        overwrite: Whether an existing file is replaced.

    Returns:
        The output's SHA-256, hex.

    Raises:
        OutputError: It cannot be written.
    """
    with Publication(destination, overwrite=overwrite) as publication:
        return publication.publish(publication.write(plain), sign=sign, enter=enter)


def _synced_digest(path: Path) -> str:
    """Return the file's SHA-256 when its bytes are on the disk."""
    digest = hashlib.sha256()
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder, as far as it lets us ask for that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # One that may be written to and not read. The output has its name already, and what it
        # replaced is gone: to take it away again would lose both.
        return
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder; the name is there all the same.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the process's umask without changing it, which other threads would notice."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o077  # not Linux: the careful choice
