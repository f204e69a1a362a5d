"""Converters of others: whatever they do, it is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quantize.errors import ConverterError
from quantize.export.tool import run_tool, telling_line


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_it_prints_comes_back_and_it_runs_in_its_folder(tmp_path: Path) -> None:
    text = run_tool("it", _python("import os; print(os.getcwd()); os.write(2, b'more')"), tmp_path)
    assert str(tmp_path.resolve()) in text
    assert "more" in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('fine so far'); print('Error: no op Det'); print('bye'); exit(3)", "no op Det"),
        ("exit(1)", "it says not why"),
        ("import os; os.abort()", "it crashed"),
    ],
)
def test_a_failure_is_one_line(code: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match=said) as caught:
        run_tool("it", _python(code), tmp_path)
    assert "\n" not in str(caught.value)


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="hangs"):
        run_tool("it", _python("import time; time.sleep(60)"), tmp_path, timeout=0.3)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="cannot be started"):
        run_tool("it", [str(tmp_path / "none")], tmp_path)


def test_the_line_that_tells_most() -> None:
    assert telling_line("a\nnot supported: X\nend\n") == "not supported: X"
    assert telling_line("a\n\nend") == "end"
