"""What a child does: lock itself in, do its one job, answer, and end."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from edge.isolation.confine import confine
from edge.isolation.run import Request, request_from


def main() -> NoReturn:
    """Take a request from standard input and answer on what was standard output."""
    request = request_from(sys.stdin.buffer.read())
    serve(request, os.dup(1))


def serve(request: Request, answer: int) -> NoReturn:
    """Do what is asked, write the answer, and end this process.

    Args:
        request: What to do, and within which limits.
        answer: File descriptor to write to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _close_all_but(answer)
    from edge.isolation.jobs import JOBS

    job = JOBS[request.job]
    confined = confine(request.bounds, request.fence)
    payload = b""
    try:
        done, payload = job(request.arguments, confined)
        facts: dict[str, object] = {"done": done}
    except MemoryError:
        facts = {"error": "MemoryError", "message": ""}
    except Exception as error:  # noqa: BLE001 - one line instead of a traceback, whatever it is
        facts = {"error": type(error).__name__, "message": str(error)}
    head = json.dumps(facts).encode() + b"\n"
    with suppress(OSError):  # the parent has gone
        for part in (head, payload):
            view = memoryview(part)
            while view:
                view = view[os.write(answer, view) :]
    os._exit(0)


def _close_all_but(answer: int) -> None:
    """Close what was inherited: files, sockets and terminals of the parent are not the child's."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        if stream != answer:
            os.dup2(nothing, stream)
    highest = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, answer)
    os.closerange(max(3, answer + 1), min(highest, 1 << 20) if highest > 0 else 65_536)
