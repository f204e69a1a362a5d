"""LiteRT (ai-edge-litert), on the CPU with XNNPACK, for .tflite models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge.backends._interpreter import InterpreterSession, check_providers, open_interpreter
from edge.backends._missing import engine_missing
from edge.backends.base import CPU_PROVIDER


def _import_engine() -> tuple[Any, str]:
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, version("ai-edge-litert")
    except (ImportError, PackageNotFoundError) as error:
        raise engine_missing(
            "ai-edge-litert", "ai_edge_litert", "pip install 'edge-swap[litert]'", error
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
    check_providers("litert", providers, True)


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> InterpreterSession:
    """Open a .tflite file; see `edge.backends.open_session`."""
    check_providers("litert", providers, strict)
    interpreter, release = _import_engine()
    return open_interpreter(
        path, interpreter, engine="litert", engine_version=release, threads=threads
    )
