"""Run a whole command in a child: `edge swap --isolate` and the like.

The child has what the command names and the user's own folders, no network, and limits. It writes
to the output's folder alone, beside the user's own folders and a temporary one that goes with it.
A crash, a hang or a blow-up of memory ends in one line and exit status 2.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge import resources
from edge.harmless import one_line
from edge.isolation.bounds import Bounds
from edge.isolation.confine import Fence, confine
from edge.isolation.run import has_one_thread, how
from edge.isolation.wire import packed, unpacked

EXIT_ERROR = 2

_CRASHED = 70
"""Status of a child that could not even say why it ended (EX_SOFTWARE)."""

_LONGEST = 300  # characters of another library's complaint

_OUTPUTS = frozenset({"output", "report"})
"""Names of arguments that are written to."""

_FILES = 1024  # open at once: a folder, a video, an engine, a ledger
_PRELUDE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from edge.isolation.whole import main; main(sys.argv[2])"
)
_inside = False


@dataclass(frozen=True, slots=True)
class Order:
    """A command to run in a child.

    Attributes:
        words: The command line, without the program's name.
        reads: Files and folders that it may read.
        writes: Folders that it may change.
        bounds: What it may take.
        programs: Whether it starts programs of its own: the toolchain tries engines in children.
    """

    words: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    bounds: Bounds
    programs: bool = False


def add_isolate(parser: argparse.ArgumentParser) -> None:
    """Add `--isolate` to a command that can run in a child as a whole."""
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="do all of it in a child process that can reach nothing else: for files and models "
        "of strangers; no network, so time stamps are added later",
    )


def is_inside() -> bool:
    """Return whether this process is such a child already."""
    return _inside


def order_of(words: Sequence[str], arguments: argparse.Namespace, *, programs: bool) -> Order:
    """Return what a parsed command may reach: what it names.

    Args:
        words: The command line, without the program's name.
        arguments: The same, parsed.
        programs: Whether it starts programs of its own.
    """
    from edge.limits import device_limits

    reads: list[Path] = [*_user_folders()]
    writes: list[Path] = [*_user_folders()]
    for name, value in vars(arguments).items():
        if name in _OUTPUTS and isinstance(value, (str, Path)):
            writes.append(_folder_of(Path(value)))
            continue
        for path in _paths(value):
            reads.append(path)
            if path.suffix == ".onnx":
                reads.append(path.parent)  # its weights and its record lie beside it
    extra = resources.extra_models_dir()
    limits = device_limits()
    return Order(
        words=tuple(words),
        reads=tuple(map(str, [*reads, *([] if extra is None else [extra])])),
        writes=tuple(map(str, writes)),
        bounds=replace(limits.command, files=_FILES, written=0),
        programs=programs,
    )


def _user_folders() -> Iterator[Path]:
    for folder in (resources.config_dir, resources.data_dir, resources.state_dir):
        yield folder()
    yield resources.cache_dir()


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, Path) or (isinstance(value, str) and value and os.path.exists(value)):
        yield Path(value)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _paths(each)


def _folder_of(path: Path) -> Path:
    """Return the folder to be writable for an output: itself, or the nearest that is there."""
    here = path if path.is_dir() else path.parent
    while not here.exists() and here != here.parent:
        here = here.parent
    return here


def run_whole(order: Order) -> int:
    """Run a command in a child and return its exit status; 2, and one line, where it crashed."""
    for folder in _user_folders():
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="edge-isolated-")
    order = replace(order, writes=(*order.writes, scratch))
    try:
        status = _wait(_start(order, scratch), order)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if status == _CRASHED:
        status = f"ended without a word (status {_CRASHED})"
    if isinstance(status, int):
        return status
    from edge.publish import remove_stale

    for written in order.writes:
        remove_stale(Path(written))
    sys.stderr.write(f"{_crash(order, status)}\n")
    return EXIT_ERROR


def _start(order: Order, scratch: str) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if has_one_thread():
        pid = os.fork()
        if pid == 0:
            try:
                tempfile.tempdir = scratch
                os.environ["TMPDIR"] = scratch
                _serve(order)
            finally:
                os._exit(_CRASHED)
        return pid
    here = str(Path(__file__).resolve().parents[2])
    path = [entry for entry in dict.fromkeys([*sys.path, here]) if entry]
    words = ["-I", "-c", _PRELUDE, json.dumps(path), json.dumps(packed(order))]
    environment = {**os.environ, "TMPDIR": scratch}
    return os.posix_spawn(sys.executable, [sys.executable, *words], environment)


def main(order: str) -> None:
    """Take an order from the command line of a fresh interpreter."""
    try:
        _serve(unpacked(Order, json.loads(order)))
    finally:
        os._exit(_CRASHED)


def _serve(order: Order) -> None:
    """Do what is asked and end this process; whatever happens, one line says it."""
    try:
        status = _status_of(order)
    except Exception as error:  # noqa: BLE001 - one line instead of a traceback, whatever it is
        what = f"failed ({type(error).__name__}: {str(error)[:_LONGEST]})"
        sys.stderr.write(one_line(_crash(order, what)) + "\n")
        status = EXIT_ERROR
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _crash(order: Order, how_it_ended: str) -> str:
    return (
        f"edge {order.words[0]}: the isolated process {how_it_ended}: what it was given is broken, "
        "or made to do this; nothing half-made was left"
    )


def _status_of(order: Order) -> int:
    """Lock this process in, run the command, and return its exit status."""
    global _inside
    _inside = True
    with suppress(OSError):
        os.setpgid(0, 0)  # the terminal's Ctrl-C reaches the parent, which passes it on
    from edge.cli import main as command_line
    from edge.cli import prepare_process

    prepare_process()
    reads, writes = map(Path, order.reads), map(Path, order.writes)
    confine(order.bounds, Fence(tuple(reads), tuple(writes), programs=order.programs))
    try:
        return command_line(list(order.words))
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_ERROR


def _wait(pid: int, order: Order) -> int | str:
    """Return the child's exit status, or how it ended, as half a sentence."""
    deadline = time.monotonic() + order.bounds.seconds if order.bounds.seconds else None
    restore = _pass_on(pid)
    pause = 0.001
    try:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if deadline is not None and time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return f"did not end within {order.bounds.seconds:.0f} seconds"
            time.sleep(pause)
            pause = min(1.5 * pause, 0.05)
    finally:
        restore()
    return how(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _pass_on(pid: int) -> Callable[[], None]:
    """Hand signals that ask to stop on to the child; return what puts the old handling back."""

    def handler(number: int, frame: object) -> None:
        with suppress(OSError):
            os.kill(pid, number)

    try:
        before = {
            number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not the main thread: signals go elsewhere
        return lambda: None

    def restore() -> None:
        for number, old in before.items():
            signal.signal(number, old)

    return restore
