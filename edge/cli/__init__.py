"""The `edge` command: one file per command in this folder, imported when it is called.

A command module has `HELP` (one line), `configure(parser)` and `run(arguments) -> exit status`.
The toolchain adds its own commands through the entry-point group `edge.commands`.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn, Protocol, cast

import edge
from edge.errors import EdgeError, EngineMissing
from edge.harmless import harmless_streams
from edge.harmless import one_line as one_line
from edge.watch import watch_for

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

TOOLCHAIN_COMMANDS = ("build", "quantize", "compare")
"""Commands that the toolchain registers; named here so that their absence can be explained."""

ISOLATED_COMMANDS = ("detect", "enroll", "quantize", "run", "swap")
"""Commands that run in a child as a whole with --isolate; `verify` has one for each file."""

GROUPS = (
    ("to begin", ("demo", "doctor")),
    ("to swap", ("consent", "enroll", "identity", "detect", "swap", "live")),
    ("bundles", ("inspect", "run", "selftest", "bundle")),
    ("afterwards", ("verify", "ledger", "trust", "keys")),
)
"""What the help lists first, in the order of use; all other commands stand below it."""

_TOOLCHAIN = "pip install 'edge-swap[quantize]'"
_TOO_LITTLE = "there is not enough memory for this"

_NO_ROOM = ("failed to map segment", "Cannot allocate memory")
"""Words of the system's loader about a library that finds no room (glibc, elf/dl-load.c)."""


class Command(Protocol):
    """What a module in this folder offers."""

    HELP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; return the exit status."""


def command_names() -> list[str]:
    """Return the names of the commands of the runtime, sorted: the file list is the list."""
    folder = Path(__file__).parent
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))


def _load(name: str) -> Command | None:
    if name in command_names():
        return cast(Command, import_module(f"edge.cli.{name}"))
    for point in entry_points(group="edge.commands"):
        if point.name == name:
            try:
                return cast(Command, point.load())
            except ImportError as error:
                raise EngineMissing(_lacks(name, error)) from error
    return None


def _lacks(name: str, error: ImportError) -> str:
    return f"'edge {name}' lacks a package ({error}): {_TOOLCHAIN}"


def _toolchain_names() -> list[str]:
    return sorted(point.name for point in entry_points(group="edge.commands"))


def _print_help() -> None:
    lines = [
        "usage: edge COMMAND [options]      (edge COMMAND --help says more)",
        "",
        "Face swapping with consent, on small devices: labelled, signed and enforced.",
        "",
    ]
    names = [*command_names(), *_toolchain_names()]
    listed = {name for _, group in GROUPS for name in group}
    rest = ("models and devices", tuple(name for name in names if name not in listed))
    for title, group in (*GROUPS, rest):
        lines += [f"{title}:", *(_help_line(name) for name in group if name in names), ""]
    lines += ["  --version  print the version"]
    sys.stdout.write("\n".join(lines) + "\n")


def _help_line(name: str) -> str:
    try:
        command = _load(name)
    except EngineMissing as error:
        return f"  {name:<10} {one_line(str(error))}"
    return f"  {name:<10} {'' if command is None else command.HELP}"


def _unknown(name: str) -> int:
    if name in TOOLCHAIN_COMMANDS:
        text = f"'edge {name}' is a command of the toolchain, which is not here: {_TOOLCHAIN}"
    else:
        known = [*command_names(), *_toolchain_names()]
        text = f"no command '{name}'; known: {', '.join(known)}"
    sys.stderr.write(f"edge: {text}\n")
    return EXIT_ERROR


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_ERROR, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    """Add `edge COMMAND NAME`, and return its parser; `text` stands in both pages of help."""
    return actions.add_parser(name, help=text, description=text)


def _system_error(error: OSError) -> str:
    """Return what the system refused, and where: a folder that may not be entered, a full disk."""
    why = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {why}" if error.filename is not None else why


def prepare_process() -> None:
    """Make signals and streams of a whole process fit for what the commands do with them."""
    # A service that is stopped gets SIGTERM: clean up as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # `edge ... >&-` leaves no stream at all.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # The label may be Chinese and the terminal not: an escape is better than no report.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _isolated(name: str, words: list[str], parsed: argparse.Namespace, command: Command) -> int:
    from edge.isolation.whole import is_inside, order_of, run_whole

    if is_inside():
        return command.run(parsed)
    return run_whole(order_of(words, parsed, programs=name in TOOLCHAIN_COMMANDS))


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The command's own status; 2 for any `EdgeError` and for what the system refuses, 130 after
        Ctrl-C.
    """
    if argv is None:
        prepare_process()
        watch_for(next(iter(sys.argv[1:]), ""))
    with harmless_streams():
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        _print_help()
        return 0 if arguments else EXIT_ERROR
    if arguments[0] in {"-V", "--version"}:
        sys.stdout.write(f"edge-swap {edge.__version__}\n")
        return 0
    name = arguments[0]
    try:
        command = _load(name)
        if command is None:
            return _unknown(name)
        parser = _Parser(prog=f"edge {name}", description=command.HELP)
        command.configure(parser)
        parsed = parser.parse_args(arguments[1:])
        if getattr(parsed, "isolate", False) and name in ISOLATED_COMMANDS:
            return _isolated(name, arguments, parsed, command)
        return command.run(parsed)
    except EdgeError as error:
        sys.stderr.write(f"edge {name}: {one_line(str(error))}\n")
        return EXIT_ERROR
    except KeyboardInterrupt:
        sys.stderr.write(f"edge {name}: interrupted; nothing half-written was left\n")
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        # The toolchain's commands import their packages when they are called.
        if name not in TOOLCHAIN_COMMANDS:
            raise
        sys.stderr.write(f"edge {name}: {one_line(_lacks(name, error))}\n")
        return EXIT_ERROR
    except ImportError as error:
        # A library that is loaded when it is needed, and finds no room.
        if not any(words in str(error) for words in _NO_ROOM):
            raise
        sys.stderr.write(f"edge {name}: {_TOO_LITTLE}\n")
        return EXIT_ERROR
    except BrokenPipeError:
        # The reader (head, less) has gone; that is no error of ours, and the interpreter must not
        # complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # The last net: each room words its own refusals, but paths can be refused anywhere.
        sys.stderr.write(f"edge {name}: {one_line(_system_error(error))}\n")
        return EXIT_ERROR
    except MemoryError:
        sys.stderr.write(f"edge {name}: {_TOO_LITTLE}\n")
        return EXIT_ERROR
