"""`--threads`: no command starts more threads than a machine can bear."""

from __future__ import annotations

import argparse

import pytest

from edge.cli import TOOLCHAIN_COMMANDS, _load, command_names, main
from edge.cli._threads import one_thread_or_more, threads_or_choice
from edge.threads import most_threads


def _takes_threads(name: str) -> bool:
    command = _load(name)
    assert command is not None
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return "--threads" in parser.format_help()


COMMANDS = {
    "bench": [],
    "build": ["--model", "m", "--no-identity", "--target", "jetson", "-o", "nowhere"],
    "compare": ["a.onnx", "b.onnx"],
    "detect": ["nowhere.png"],
    "live": ["--source", "synthetic", "--purpose", "film"],
    "quantize": ["m.onnx", "-o", "nowhere"],
    "run": ["nowhere", "--input", "i", "--output", "o", "--purpose", "film"],
    "swap": ["--identity", "i", "--input", "i", "--output", "o", "--purpose", "film"],
    "tune": ["ref_swapper"],
}


def test_these_are_the_commands_with_threads() -> None:
    names = {*command_names(), *TOOLCHAIN_COMMANDS}
    assert {name for name in names if _takes_threads(name)} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("text", ["100000", "-1", "1e9", "many"])
def test_what_no_machine_bears_is_one_line(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = _load(name)
    # Were the number taken, the machine would be brought down by this test.
    monkeypatch.setattr(command, "run", lambda arguments: pytest.fail("it was taken"))
    with pytest.raises(SystemExit) as leave:
        main([name, *COMMANDS[name], f"--threads={text}"])
    assert leave.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"edge {name}: argument --threads: '{text}' is no number of ")
    assert shown.err.count("\n") == 1
    assert str(most_threads()) in shown.err


def test_nought_is_a_choice_only_where_it_means_something() -> None:
    assert threads_or_choice("0") == 0
    assert threads_or_choice(str(most_threads())) == most_threads()
    assert one_thread_or_more("1") == 1
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to"):
        one_thread_or_more("0")
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to"):
        threads_or_choice(str(most_threads() + 1))
