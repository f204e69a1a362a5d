"""Inference engines: one file each, imported on first use; the list of files is their list.

A backend module has `open_session(path, *, providers, threads, strict) -> Session`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from edge.backends.base import Session
from edge.errors import BackendError, EdgeError
from edge.threads import most_threads
from edge.watch import begin

__all__ = ["Session", "backend_names", "installed_version", "missing_reason", "open_session"]

_NOT_ENGINES = {"__init__", "base"}


class _Backend(Protocol):
    def open_session(
        self, path: Path, *, providers: Sequence[str], threads: int, strict: bool
    ) -> Session: ...

    def engine_version(self) -> str: ...

    def check_provider(self, providers: Sequence[str]) -> None: ...


def _module(backend: str) -> _Backend:
    return cast(_Backend, import_module(f"edge.backends.{backend}"))


def backend_names() -> list[str]:
    """Return the names of the backends, sorted; their engines may not be installed."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(p.stem for p in files if p.stem not in _NOT_ENGINES and p.stem[0] != "_")


def open_session(
    path: Path,
    *,
    backend: str = "ort",
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 0,
    strict: bool = True,
) -> Session:
    """Open a model file in an engine.

    Args:
        path: The model file.
        backend: Name of a backend.
        providers: Execution providers in order of preference; CPUExecutionProvider is every
            engine's own CPU path.
        threads: Threads for one run; 0 leaves it to the engine.
        strict: Refuse to run on another provider than the first one asked for.

    Returns:
        The session.

    Raises:
        EngineMissing: The engine's package is not installed; the message names the extra.
        ProviderError: The first provider is not there, or is not the one that would run.
        ModelError: The file is not a model of this engine.
        BackendError: No such backend, or the engine cannot work here.
    """
    if backend not in backend_names():
        raise BackendError(f"no backend '{backend}'; known: {', '.join(backend_names())}")
    if not 0 <= threads <= most_threads():
        raise BackendError(f"threads must be from 0 to {most_threads()} here, not {threads}")
    module = _module(backend)
    begin()
    return module.open_session(path, providers=tuple(providers), threads=threads, strict=strict)


def installed_version(backend: str) -> str:
    """Return the version of an engine here; empty where it is not installed or does not work."""
    if backend not in backend_names():
        return ""
    module = _module(backend)
    try:
        return module.engine_version()
    except EdgeError:
        return ""


def missing_reason(backend: str, providers: Sequence[str], oldest: str) -> str:
    """Return why an engine will not do here; empty where nothing is known to be in the way.

    Args:
        backend: Name of a backend.
        providers: Execution providers; the first one must be there.
        oldest: Oldest version of the engine that will do, as in "1.22".
    """
    if backend not in backend_names():
        return f"no backend '{backend}'"
    module = _module(backend)
    try:
        version = module.engine_version()
        if _numbers(version) < _numbers(oldest):
            return f"{backend} is {version} here, and it needs {oldest} or newer"
        module.check_provider(providers)
    except EdgeError as error:
        return str(error)
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (1, 22, 0) of "1.22.0rc1"."""
    found = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)
