"""Run a converter of others in a process of its own: it may print, crash, or leave files about."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quantize.errors import ConverterError

__all__ = ["run_tool"]

_TIMEOUT = 1800.0
"""Seconds; half a gigabyte takes a minute."""

_MOST_TEXT = 300
_TROUBLE = ("error", "fail", "unsupported", "not support", "can't", "cannot", "ignore ")


def run_tool(name: str, command: Sequence[str], folder: Path, *, timeout: float = _TIMEOUT) -> str:
    """Run a converter.

    Args:
        name: how messages call it.
        command: program and arguments.
        folder: where it runs, and may leave files.
        timeout: seconds.

    Returns:
        What it printed, standard error included.

    Raises:
        ConverterError: it failed, crashed or hangs; the message holds the line that says why.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            # pnnx holds an ONNX Runtime of its own, which would report usage.
            env={**os.environ, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ConverterError(f"{name} hangs: no result in {timeout:g} seconds") from error
    except OSError as error:
        raise ConverterError(f"{name} cannot be started: {error.strerror}") from error
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode < 0:
        cause = signal.strsignal(-done.returncode) or f"signal {-done.returncode}"
        raise ConverterError(f"{name} crashed on this model ({cause})")
    if done.returncode:
        raise ConverterError(f"{name} cannot convert this model: {telling_line(text)}")
    return text


def telling_line(text: str) -> str:
    """Return the line of an output that says best what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in _TROUBLE)]
    return (telling or lines or ["it says not why"])[-1][:_MOST_TEXT]
