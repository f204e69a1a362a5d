"""An end for a run of a model that does not end: the whole command goes, in one line.

Nothing can stop an engine that computes but the end of its process, and only a process that is a
command may be ended so: in a program of somebody else's nothing of this is done. What a command
leaves behind then is what a kill leaves: nothing under its final name, and hidden files that the
next command removes.
"""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

_EXIT = 2
_LOOKS = 0.25  # of the limit, and at most _LONGEST: how often is looked
_LONGEST = 5.0  # seconds

_command = ""
_seconds = 0.0
_running: dict[int, tuple[float, str]] = {}
"""Threads that run a model: since when, and which."""


def watch_for(command: str) -> None:
    """Let this process end when one run of a model takes longer than `limits.toml` says.

    Args:
        command: What to call it, as in "swap"; it is a command of the command line.
    """
    global _command
    _command = command


def begin() -> None:
    """Start looking, where this process is a command and does not look yet.

    Raises:
        PolicyError: The device's limits cannot be read.
    """
    global _seconds
    if not _command or _seconds:
        return
    from edge.limits import device_limits

    _seconds = device_limits().model.run_seconds
    if _seconds:
        threading.Thread(target=_look, name="edge-watch", daemon=True).start()


def _look() -> None:
    while True:
        time.sleep(min(_LONGEST, _LOOKS * _seconds))
        now = time.monotonic()
        for since, model in list(_running.values()):
            if now - since > _seconds:
                _end(model)


def _end(model: str) -> None:
    from edge.harmless import one_line

    text = one_line(
        f"model {model} did not end within {_seconds:g} seconds: the model is broken, or this "
        "device is too slow for it; run_seconds in limits.toml says how long one run may take"
    )
    os.write(2, f"edge {_command}: {text}\n".encode("utf-8", "backslashreplace"))
    os._exit(_EXIT)


class running:
    """Notes that this thread runs a model, while the block runs; costs below a microsecond.

    Args:
        model: Its file's name.
    """

    __slots__ = ("_model",)

    def __init__(self, model: str) -> None:
        self._model = model

    def __enter__(self) -> None:
        if _seconds:
            _running[threading.get_ident()] = (time.monotonic(), self._model)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _running.pop(threading.get_ident(), None)
