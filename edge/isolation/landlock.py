"""Landlock, the kernel's own fence around files: what is not named cannot be opened or changed.

Linux 5.13 and later; https://docs.kernel.org/userspace-api/landlock.html. The numbers are those of
`linux/landlock.h`; the system calls have one number on all processors.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version of the interface -> the rights over files that it knows of."""

_FOR_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READING = _READ_FILE | _READ_DIR

_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract sockets of others, signals to others


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's interface; 0 where it has none, or it is switched off."""
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    except OSError:
        return 0


def restrict(
    reads: Iterable[Path],
    writes: Iterable[Path],
    *,
    network: bool = False,
    programs: bool = False,
) -> int:
    """Take all files from this process but the named ones, for good. Needs no_new_privs.

    Args:
        reads: Files and folders that may be read, with all that is below them.
        writes: Folders (or devices) that may be read and changed as well.
        network: Leave TCP as it is.
        programs: What may be read may be executed too.

    Returns:
        The interface's version.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    found = version()
    if not found:
        raise OSError("the kernel has no Landlock")
    rights = _RIGHTS[max(known for known in _RIGHTS if known <= found)]
    rules = _Ruleset(handled_access_fs=rights)
    size = 8
    if found >= _NETWORK_SINCE:
        rules.handled_access_net = 0 if network else _TCP
        size = 16
    if found >= _SCOPES_SINCE:
        rules.scoped = _SCOPES
        size = 24
    handle = _call(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        reading = _READING | (_EXECUTE if programs else 0)
        for path in reads:
            _allow(handle, path, rights & reading)
        for path in writes:
            _allow(handle, path, rights & ~(0 if programs else _EXECUTE))
        _call(_RESTRICT_SELF, handle, 0)
    finally:
        os.close(handle)
    return found


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no leave
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _FOR_A_FILE
        rule = _Beneath(allowed_access=rights, parent_fd=handle)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def _call(number: int, *values: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *map(_argument, values))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _argument(value: object) -> object:
    # A plain int would be passed as 32 bits, and the register's other half is anything.
    return ctypes.c_long(value) if isinstance(value, int) else value
