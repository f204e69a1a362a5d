"""Start a child, wait for its answer, and say in one line how it ended when there is none."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge import errors
from edge.isolation.bounds import Bounds
from edge.isolation.confine import Fence
from edge.isolation.wire import WireError, packed, unpacked

ANSWER = 16 << 20
"""Most bytes of an answer, where the asker does not expect more."""

_LONGEST = 86_400.0  # seconds: poll counts milliseconds in 32 bits, and bounds may be longer
_CHUNK = 1 << 20
_PATIENCE = 5.0  # seconds from the end of the answer to the end of the process

_PRELUDE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from edge.isolation.child import main; main()"
)


class Ended(Exception):
    """The child ended without an answer; the message says how, as half a sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a child is asked to do.

    Attributes:
        job: Name of one of `edge.isolation.jobs.JOBS`.
        arguments: For the job; what JSON can hold.
        bounds: What it may take.
        reads: Files and folders that it may read.
        network: Whether it may connect.
        answer: Most bytes of its answer.
    """

    job: str
    arguments: dict[str, Any] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    reads: tuple[str, ...] = ()
    network: bool = False
    answer: int = ANSWER

    @property
    def fence(self) -> Fence:
        """What it may reach."""
        return Fence(reads=tuple(map(Path, self.reads)), network=self.network)


@dataclass(frozen=True, slots=True)
class Running:
    """A child at work.

    Attributes:
        pid: Its process.
        answer: File descriptor from which its answer is read.
    """

    pid: int
    answer: int


Start = Callable[[Request], Running]
"""Starts a child that does what it is asked; `spawned` or `forked`."""


def spawned(request: Request) -> Running:
    """Start a fresh interpreter: right in every process, also one with threads and secrets."""
    if not sys.executable:
        raise errors.UsageError("there is no Python to start an isolated process with")
    here = str(Path(errors.__file__).resolve().parent.parent)
    path = [entry for entry in dict.fromkeys([*sys.path, here]) if entry]
    asked, its_input = os.pipe()
    mine, its_output = os.pipe()
    try:
        # One call that copies nothing of this process: right also where it has threads.
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-c", _PRELUDE, json.dumps(path)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, asked, 0),
                (os.POSIX_SPAWN_DUP2, its_output, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    finally:
        os.close(asked)
        os.close(its_output)
    with contextlib.suppress(BrokenPipeError), open(its_input, "wb") as stdin:
        stdin.write(json.dumps(packed(request)).encode())
    return Running(pid, mine)


def forked(request: Request) -> Running:
    """Start a copy of this process, in a millisecond; a fresh one where it has threads.

    Only for a process that holds nothing secret: the command line before it has done anything.
    """
    if not has_one_thread():
        return spawned(request)
    from edge.isolation.child import serve

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    mine, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            serve(request, its)
        finally:
            os._exit(70)
    os.close(its)
    return Running(pid, mine)


def has_one_thread() -> bool:
    """Return whether this process may be copied: one thread, and a system that can."""
    if not hasattr(os, "fork"):
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def ask(request: Request, start: Start = spawned) -> tuple[Any, bytes]:
    """Have a child do something, and return its answer.

    Args:
        request: What, and within which limits.
        start: How the child is started.

    Returns:
        What the job returned, as JSON gave it, and the bytes behind it. Both are untrusted.

    Raises:
        EdgeError: The job did, with the same class and message.
        Ended: It crashed, hung, took too much, or answered nonsense.
    """
    deadline = time.monotonic() + request.bounds.seconds if request.bounds.seconds else None
    child = start(request)
    try:
        data = _read(child.answer, deadline, request)
        status = _wait(child.pid, time.monotonic() + _PATIENCE)
    except BaseException:
        _kill(child.pid)
        raise
    finally:
        os.close(child.answer)
    if os.WIFSIGNALED(status):
        raise Ended(how(os.WTERMSIG(status)))
    return _opened(data, status, request)


def _read(handle: int, deadline: float | None, request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    answer = select.poll()  # select.select takes no handle of 1024 or more
    answer.register(handle, select.POLLIN)
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise Ended(f"did not end within {request.bounds.seconds:.0f} seconds")
        if not answer.poll(None if left is None else 1000 * min(left, _LONGEST)):
            continue
        part = os.read(handle, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > request.answer:
            raise Ended("answered more than there can be to say")


def _wait(pid: int, deadline: float) -> int:
    pause = 0.0005
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > deadline:
            raise Ended("did not end after its answer")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.waitpid(pid, 0)


def how(number: int) -> str:
    """Return how a process ended that a signal ended, as half a sentence."""
    if number == signal.SIGKILL:
        return "was killed, most likely for want of memory"
    if number == getattr(signal, "SIGXCPU", None):
        return "took more time than it may"
    if number == getattr(signal, "SIGSYS", None):
        return "asked the system for what no such work needs"
    name = signal.strsignal(number) or f"signal {number}"
    return f"crashed ({name.lower()})"


def _opened(data: bytes, status: int, request: Request) -> tuple[Any, bytes]:
    head, _, rest = data.partition(b"\n")
    try:
        facts = json.loads(head)
        if "done" in facts:
            return facts["done"], rest
        name, message = str(facts["error"]), str(facts["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        code = os.WEXITSTATUS(status)
        raise Ended(f"ended without an answer (status {code})") from None
    if name == "MemoryError":
        raise Ended(f"wanted more memory than {request.bounds.memory / 2**30:.3g} GiB")
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    if kind is None:
        raise Ended(f"failed ({name}: {message[:300]})")
    raise kind(message)


def request_from(data: bytes) -> Request:
    """Return the request that a parent wrote.

    Raises:
        WireError: It is none.
    """
    try:
        return unpacked(Request, json.loads(data))
    except (ValueError, RecursionError) as error:
        raise WireError(str(error)) from error
