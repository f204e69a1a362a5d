from __future__ import annotations

import re
import sys

import pytest

from edge.progress import bar, bytes_bar, nested_bars, silent


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


def test_the_next_step_has_a_pace_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with bar("swapping", False) as progress:
        progress(0, 10, "looking ahead")
        progress(9, 10, "looking ahead")
        progress(1, 10, "frames")
    last = _plain(capsys.readouterr().err).strip().splitlines()[-1]
    assert "swapping frames" in last
    assert "-/s" in last  # nothing is known of it yet


def test_the_bar_of_a_piece_is_seen_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with nested_bars("swapping", "now", False) as (progress, frames):
        progress(1, 3, "a.mp4")
        frames(50, 100, "frames")
    shown = _plain(capsys.readouterr().err)
    assert "1/3" in shown
    assert "50/100" in shown
    with nested_bars("swapping", "now", False) as (progress, frames):
        frames(100, 100, "frames")
        progress(2, 3, "a.mp4")
    assert "100/100" not in _plain(capsys.readouterr().err)


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
def test_a_log_sees_nothing(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with bar("swapping", quiet) as progress:
        progress(1, None, "frames")
    with bytes_bar("fetching", quiet) as progress:
        progress(1, None, "")
    silent(1, None, "frames")
    assert "rich" not in sys.modules, "where nobody looks, it need not be imported"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
