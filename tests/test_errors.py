"""The error tree: drawn completely, exported completely, and one line each at the command line."""

from __future__ import annotations

import inspect
import re

import pytest

from edge import errors
from edge.cli import EXIT_ERROR, main
from edge.errors import EdgeError

DEFINED = {
    name: thing
    for name, thing in vars(errors).items()
    if isinstance(thing, type) and issubclass(thing, Exception)
}


def test_all_are_exported_and_sorted() -> None:
    assert errors.__all__ == sorted(DEFINED)


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_each_derives_from_the_root_and_says_what_it_is(name: str) -> None:
    assert issubclass(DEFINED[name], EdgeError)
    sentence = inspect.getdoc(DEFINED[name]) or ""
    assert sentence.endswith(".")
    assert "\n" not in sentence


def _drawn() -> dict[str, str]:
    """Return each error in the drawing with its parent's name."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([ │]*)(?:[├└]── )?(\w+)", line)
        if match is None or match[2] not in DEFINED:
            continue
        depth = (match.start(2)) // 4
        above[depth:] = [match[2]]
        parents[match[2]] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_drawing_is_complete_and_true() -> None:
    assert _drawn() == {name: kind.__mro__[1].__name__ for name, kind in DEFINED.items()}


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_the_command_line_turns_each_into_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge.cli import doctor

    def fail(_: object) -> int:
        raise DEFINED[name]("out of paper\nin tray \x1b[31m2")

    monkeypatch.setattr(doctor, "run", fail)
    assert main(["doctor"]) == EXIT_ERROR
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "edge doctor: out of paper in tray \\x1b[31m2\n"
