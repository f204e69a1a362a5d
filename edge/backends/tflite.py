"""tflite-runtime, LiteRT's predecessor, for boards that still carry it.

Its last wheels are of version 2.14: for Python up to 3.11 and numpy 1. With numpy 2 it imports,
and then fails with a message that explains nothing; so that is checked before.

It reads a model without checking its structure; that is done before, but for the options of its
operators. Models that are opened by their card have been compared with its SHA-256, too; open no
others with it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge.backends._interpreter import InterpreterSession, check_providers, open_interpreter
from edge.backends._missing import engine_missing
from edge.backends.base import CPU_PROVIDER
from edge.errors import BackendError

_LAST_PYTHON = (3, 11)
_INSTEAD = "pip install 'edge-swap[litert]' and use --backend litert"


def _why_not(python: tuple[int, int], numpy_version: str) -> str | None:
    """Return why tflite-runtime cannot work here, or None."""
    if python > _LAST_PYTHON:
        return f"tflite-runtime has no release for Python {python[0]}.{python[1]}; {_INSTEAD}"
    if int(numpy_version.split(".")[0]) >= 2:
        return f"tflite-runtime does not work with numpy {numpy_version} (needs < 2); {_INSTEAD}"
    return None


def _import_engine() -> tuple[Any, str]:
    reason = _why_not((sys.version_info[0], sys.version_info[1]), version("numpy"))
    if reason is not None:
        raise BackendError(reason)
    try:
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, version("tflite-runtime")
    except (ImportError, PackageNotFoundError) as error:
        raise engine_missing(
            "tflite-runtime",
            "tflite_runtime",
            "pip install 'edge-swap[tflite]' (or better: 'edge-swap[litert]' and --backend litert)",
            error,
        ) from error


def engine_version() -> str:
    """Return the version of the engine here.

    Raises:
        BackendError: It is not installed, or does not work here.
    """
    return _import_engine()[1]


def check_provider(providers: Sequence[str]) -> None:
    """Check that the first of the providers is one that the engine has.

    Raises:
        ProviderError: It is not.
    """
    check_providers("tflite", providers, True)


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> InterpreterSession:
    """Open a .tflite file; see `edge.backends.open_session`."""
    check_providers("tflite", providers, strict)
    interpreter, release = _import_engine()
    return open_interpreter(
        path, interpreter, engine="tflite", engine_version=release, threads=threads
    )
