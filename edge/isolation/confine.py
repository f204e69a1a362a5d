"""Lock this process in: limits, then files, then system calls; each step that the kernel offers.

A kernel without Landlock or filters leaves that step out; `Confined` says what is really active.
The child is a process of its own with limits in any case.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge import resources
from edge.isolation import landlock, seccomp
from edge.isolation.bounds import Bounds

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGKILL = 9

_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr",
    "/opt",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ssl/openssl.cnf",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/mounts",
    "/sys",
    "/dev/urandom",
)
_DEVICES = ("/dev/null", "/dev/zero")


@dataclass(frozen=True, slots=True)
class Fence:
    """What a child may reach.

    Attributes:
        reads: Files and folders that it may read, beside the system's and Python's own.
        writes: Files and folders that it may also change.
        network: Whether it may connect.
        programs: Whether it may start programs.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    network: bool = False
    programs: bool = False


@dataclass(frozen=True, slots=True)
class Confined:
    """What holds a process.

    Attributes:
        limits: Whether memory, time and files are limited.
        landlock: Version of Landlock's interface; 0 where files are not fenced.
        seccomp: Whether system calls are filtered.
    """

    limits: bool
    landlock: int
    seccomp: bool

    @property
    def text(self) -> str:
        """As `edge doctor` says it."""
        parts = ["its own process" + (" with limits" if self.limits else "")]
        if self.landlock:
            parts.append(f"a view of named files only (Landlock {self.landlock})")
        if self.seccomp:
            parts.append("no network and no programs (seccomp)")
        return ", ".join(parts)


def confine(bounds: Bounds, fence: Fence) -> Confined:
    """Lock this process in, for good.

    Args:
        bounds: What it may take.
        fence: What it may reach.

    Returns:
        What is active.
    """
    reads = [*runtime_reads(), *fence.reads]  # asked for before anything is closed
    limited = True
    try:
        bounds.apply()
    except (ImportError, OSError, ValueError):
        limited = False
    if not sys.platform.startswith("linux"):
        return Confined(limited, 0, False)
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    fenced = 0
    with contextlib.suppress(OSError):
        fenced = landlock.restrict(
            reads,
            [*map(Path, _DEVICES), *fence.writes],
            network=fence.network,
            programs=fence.programs,
        )
    return Confined(limited, fenced, _filter(fence))


def _filter(fence: Fence) -> bool:
    if not seccomp.usable():
        return False
    refused = [*seccomp.SYSTEM]
    if not fence.network:
        refused += seccomp.NETWORK
    if not fence.programs:
        refused += seccomp.PROCESSES
    if not fence.writes:
        refused += seccomp.ATTRIBUTES
    try:
        seccomp.install(refused, processes=fence.programs)
    except OSError:
        return False
    return True


def runtime_reads() -> tuple[Path, ...]:
    """Return what Python, its packages and the C library read for themselves."""
    named = [*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix]
    named += sysconfig.get_paths().values()
    named += [*site.getsitepackages(), site.getusersitepackages()]
    named += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    package = Path(__file__).resolve().parent.parent
    own = [package, *(package.parent / name for name in ("quantize", "models", "targets"))]
    # A package that is installed in place lies elsewhere; its own folder will do.
    packages = [
        Path(module.__file__).parent
        for name, module in list(sys.modules.items())
        if "." not in name and getattr(module, "__path__", None) and module.__file__
    ]
    found = [Path(name) for name in named if name and name != "/"]
    return tuple(dict.fromkeys([*found, *own, *packages, *_settings()]))


def _settings() -> Iterable[Path]:
    """Yield what verifying reads of the user's own: whom to trust, and limits; never a key."""
    config = resources.config_dir()
    yield from (config / "anchors", config / "keys" / "anchors", config / "limits.toml")


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)
