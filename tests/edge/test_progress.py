from __future__ import annotations

import re

import pytest

from edge.progress import bar, silent


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_sees_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take any stream for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with bar("swapping", False) as progress:
        for done in range(4):
            progress(done, 10, "frames")
    shown = _plain(capsys.readouterr().err)
    assert "swapping frames" in shown
    assert "3/10" in shown
    assert "/s" in shown  # frames per second
    assert re.search(r"\d:\d\d:\d\d|-:--:--", shown)  # time left


def test_a_name_cannot_draw_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with bar("swapping", False) as progress:
        progress(0, 1, "a\x1b[2Jb[bold].jpg\n")
    shown = capsys.readouterr().err
    assert "\x1b[2J" not in shown
    assert "a\\x1b[2Jb[bold].jpg" in _plain(shown)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_log_sees_nothing(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("swapping", quiet) as progress:
        progress(1, None, "frames")
    silent(1, None, "frames")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
