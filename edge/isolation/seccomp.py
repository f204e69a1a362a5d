"""A filter of system calls: no network, no programs, no other process, nothing of the system.

Linux on x86-64 and aarch64. What is refused answers EPERM, so that a library that asks says what
it could not do. `clone3` answers ENOSYS: its flags lie in memory, where a filter cannot look, and
the C library then takes `clone`, of which only threads pass.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterable

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_PR_GET_SECCOMP = 21

# System call -> its number on x86-64 and on aarch64; None where there is none. From the kernel's
# asm/unistd_64.h and asm-generic/unistd.h.
NETWORK: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
PROCESSES: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
}
SYSTEM: dict[str, tuple[int | None, int | None]] = {
    "io_uring_setup": (425, 425),  # would do most of the others unseen
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "acct": (163, 89),
    "syslog": (103, 116),
    "personality": (135, 92),
}
ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    # Landlock knows nothing of these.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}

_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD = 0x0001_0000
_X32 = 0x4000_0000  # bit of the numbers of x86-64's other interface
_ARCHITECTURES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}

# Classic BPF: linux/bpf_common.h, linux/filter.h, linux/seccomp.h.
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FLAGS_AT = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def usable() -> bool:
    """Return whether this kernel has filters, and this processor is one that they are written for.

    Python on 32 bits has other system calls than its kernel's.
    """
    if platform.machine() not in _ARCHITECTURES or sys.maxsize < 1 << 32:
        return False
    try:
        return int(ctypes.CDLL(None).prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)) >= 0
    except (OSError, AttributeError):
        return False


def program(machine: str, refused: Iterable[str], *, processes: bool) -> bytes:
    """Return the filter as the kernel takes it: eight bytes an instruction.

    Args:
        machine: x86_64 or aarch64.
        refused: Names of the system calls that answer EPERM.
        processes: Whether new processes may be made; else only threads.
    """
    column, architecture = _ARCHITECTURES[machine]
    known = NETWORK | PROCESSES | SYSTEM | ATTRIBUTES
    numbers = [known[name][column] for name in refused]
    # An instruction: code, jump if true, jump if false, value.
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for number in numbers:
        if number is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    if not processes:
        steps += [
            (_EQUAL, 0, 1, _CLONE3[column]),
            (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
            (_EQUAL, 0, 3, _CLONE[column]),
            (_LOAD, 0, 0, _FLAGS_AT),
            (_BITS, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        ]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def install(refused: Iterable[str], *, processes: bool) -> None:
    """Put the filter on this process and all that it starts, for good. Needs no_new_privs.

    Args:
        refused: Names of the system calls that answer EPERM.
        processes: Whether new processes may be made; else only threads.

    Raises:
        OSError: The kernel has no filters, or refuses.
    """
    code = program(platform.machine(), refused, processes=processes)
    filled = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    pointer = ctypes.c_ulong(ctypes.addressof(filled))
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), pointer, 0, 0):
        code_ = ctypes.get_errno()
        raise OSError(code_, f"the kernel takes no filter of system calls (error {code_})")
