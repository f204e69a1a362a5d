"""The dispatcher: help, version, unknown commands, exit statuses, and one printable line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge
from edge import cli
from edge.cli import EXIT_ERROR, EXIT_INTERRUPTED, TOOLCHAIN_COMMANDS, main, one_line
from edge.cli import doctor as some_command

ROOT = Path(__file__).parents[3]

# The commands that the documentation promises.
PROMISED = {
    "consent",
    "demo",
    "detect",
    "doctor",
    "enroll",
    "identity",
    "keys",
    "ledger",
    "models",
    "swap",
    "verify",
}


def test_promised_commands_are_there() -> None:
    assert set(cli.command_names()) >= PROMISED


@pytest.mark.parametrize("name", cli.command_names())
def test_every_command_has_one_line_of_help(name: str) -> None:
    command = cli._load(name)
    assert command is not None
    assert command.HELP
    assert len(command.HELP) <= 80
    assert "\n" not in command.HELP


@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help_lists_every_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    page = capsys.readouterr().out
    assert all(f"\n  {name} " in page for name in cli.command_names())


def test_the_help_is_in_the_order_of_use() -> None:
    grouped = [name for _, group in cli.GROUPS for name in group]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) <= set(cli.command_names())


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return a parser and those of its actions, and of theirs."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found += _parsers(inner)
    return found


@pytest.mark.parametrize("name", [*cli.command_names(), *TOOLCHAIN_COMMANDS])
def test_every_option_and_action_has_a_line_of_help(name: str) -> None:
    command = cli._load(name)
    assert command is not None
    top = argparse.ArgumentParser(prog=f"edge {name}", description=command.HELP)
    command.configure(top)
    for parser in _parsers(top):
        assert parser.description, parser.prog
        for action in parser._actions:
            told = action.help or isinstance(action, argparse._SubParsersAction)
            assert told, f"{parser.prog}: {action.option_strings or action.dest}"
        parser.format_help()  # a percent sign in a text would break the page


def test_nothing_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == EXIT_ERROR
    assert "usage: edge" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    assert capsys.readouterr().out == f"edge-swap {edge.__version__}\n"


@pytest.mark.parametrize("name", ["swop", "../swap", "__init__", "", "cli"])
def test_an_unknown_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == EXIT_ERROR
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "known: " in output.err


@pytest.mark.parametrize("name", TOOLCHAIN_COMMANDS)
def test_a_command_of_the_toolchain_names_its_extra(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda group: [])
    assert main([name]) == EXIT_ERROR
    shown = capsys.readouterr().err
    assert shown == (
        f"edge: 'edge {name}' is a command of the toolchain, which is not here: "
        "pip install 'edge-swap[quantize]'\n"
    )


def test_a_wrong_option_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        main(["doctor", "--jsom"])
    assert leave.value.code == EXIT_ERROR
    shown = capsys.readouterr().err
    assert shown == "edge doctor: unrecognized arguments: --jsom; see edge doctor --help\n"


@pytest.mark.parametrize(
    "words",
    [
        ["swap", "--purpose", "advertising"],
        ["swap"],
        ["consent"],
        ["consent", "new"],
        ["consent", "trust"],
        ["identity", "erase"],
        ["keys", "import", "--key", "k"],
        ["ledger", "show", "--limit", "many"],
        ["verify"],
    ],
    ids=" ".join,
)
def test_every_wrong_call_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        main(words)
    assert leave.value.code == EXIT_ERROR
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith(f"edge {words[0]}")
    assert shown.err.endswith("--help\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/secret/a"), "/secret/a: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "there is not enough memory for this"),
        (
            ImportError("libblas.so: failed to map segment from shared object"),
            "there is not enough memory for this",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: BaseException,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(_: object) -> int:
        raise error

    monkeypatch.setattr(some_command, "run", refused)
    assert main(["doctor"]) == EXIT_ERROR
    assert capsys.readouterr().err == f"edge doctor: {line}\n"


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(some_command, "run", interrupt)
    assert main(["doctor"]) == EXIT_INTERRUPTED
    assert capsys.readouterr().err.count("\n") == 1


def test_a_programming_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(some_command, "run", broken)
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_the_exit_status_reaches_the_shell() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "edge", "swop"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == EXIT_ERROR
    assert child.stderr.startswith("edge: no command 'swop'")


@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--json"], ["--help"]], ids=" ".join)
def test_a_terminal_without_chinese_gets_escapes(words: list[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "edge", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.stderr == ""
    assert child.stdout.isascii()
    if words == ["doctor"]:
        assert "AI\\u5408\\u6210" in child.stdout
    if "--json" in words:
        json.loads(child.stdout)


def test_no_stream_at_all_is_no_error() -> None:
    child = subprocess.run(
        ["sh", "-c", 'exec "$0" -m edge --version >&- 2>&-', sys.executable],
        cwd=ROOT,
        timeout=60,
    )
    assert child.returncode == 0


def test_a_toolchain_command_that_lacks_a_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        name = "quantize"

        def load(self) -> object:
            raise ImportError("No module named 'onnx'")

    monkeypatch.setattr(cli, "entry_points", lambda group: [Point()])
    assert main(["quantize"]) == EXIT_ERROR
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "pip install 'edge-swap[quantize]'" in shown
    assert main(["--help"]) == 0
    assert "  quantize   'edge quantize' lacks a package" in capsys.readouterr().out


@pytest.mark.parametrize("name", TOOLCHAIN_COMMANDS)
def test_a_toolchain_command_that_misses_a_package_when_it_runs(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lame:
        HELP = ""

        def configure(self, parser: argparse.ArgumentParser) -> None: ...

        def run(self, arguments: argparse.Namespace) -> int:
            raise ModuleNotFoundError("No module named 'onnx'")

    monkeypatch.setattr(cli, "_load", lambda name: Lame())
    assert main([name]) == EXIT_ERROR
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "No module named 'onnx'" in shown
    assert "pip install 'edge-swap[quantize]'" in shown
    with pytest.raises(ModuleNotFoundError):
        main(["doctor"])


def test_a_reader_that_leaves_is_no_error() -> None:
    """`edge doctor --json | head -0`: no traceback, no complaint at exit."""
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run(
        [sys.executable, "-m", "edge", "doctor", "--json"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(writer)
    assert child.stderr == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand more", "two lines and more"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("gpj.\u202eevil", "gpj.\\u202eevil"),
        ("AI合成", "AI合成"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


@given(st.text())
def test_one_line_is_always_one_printable_line(text: str) -> None:
    safe = one_line(text)
    assert safe.isprintable()
    assert len(safe.splitlines()) <= 1
    assert one_line(safe) == safe
