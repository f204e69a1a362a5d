"""A source that vanishes comes back, with longer and longer waits; and one that is stopped ends."""

from __future__ import annotations

import threading

import pytest

from edge.errors import EdgeError, UsageError
from edge.limits import limits_path
from edge.live import reopening
from edge.live.reopening import Reopening, SourceState, awaited
from edge.live.sources.base import SourceError
from tests.live import Scripted


def test_a_source_that_cannot_be_opened_at_first_is_an_error_at_once() -> None:
    gone = threading.Event()
    gone.set()
    with pytest.raises(SourceError, match="no such camera"):
        Reopening(lambda: Scripted(unplugged=gone))


def test_it_is_opened_again_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "FIRST_WAIT", 0.01)
    gone = threading.Event()
    states: list[SourceState] = []
    opened: list[Scripted] = []

    def open_it() -> Scripted:
        opened.append(Scripted(rate=1000, unplugged=gone))
        return opened[-1]

    def told(state: SourceState) -> None:
        states.append(state)
        if state.tries == 3:
            gone.clear()

    source = Reopening(open_it, told)
    seen = 0
    for _ in source:
        seen += 1
        if seen == 3:
            gone.set()
        if seen == 6:
            source.stop()
    assert seen == 6
    assert [state.state for state in states] == ["lost", "lost", "lost", "running", "ended"]
    assert [state.tries for state in states] == [1, 2, 3, 0, 0]
    assert states[0].reason == "scripted camera has gone"
    assert {state.losses for state in states} == {1}
    assert [source.closed for source in opened] == [1, 1]
    assert source.state.state == "ended"


def test_a_picture_beyond_the_limits_is_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "FIRST_WAIT", 0.01)
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[video]\nmax_side = 64\n")
    states: list[SourceState] = []

    def told(state: SourceState) -> None:
        states.append(state)
        source.stop()

    source = Reopening(lambda: Scripted(rate=1000), told)
    assert list(source) == []
    assert states[0].state == "lost"
    assert "too large: at most 64 pixels a side" in states[0].reason


def test_waits_grow_and_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    gone = threading.Event()
    source = Reopening(lambda: Scripted(unplugged=gone))

    def wait(self: threading.Event, seconds: float | None = None) -> bool:
        waits.append(seconds or 0)
        return len(waits) == 8

    gone.set()
    monkeypatch.setattr(threading.Event, "wait", wait)
    assert list(source) == []
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_a_wait_is_cut_short() -> None:
    gone = threading.Event()

    def told(state: SourceState) -> None:
        if state.state == "lost":
            threading.Timer(0.05, source.stop).start()

    source = Reopening(lambda: Scripted(unplugged=gone), told)
    gone.set()
    assert list(source) == []


def test_a_silent_source_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Reopening(Scripted)
    states: list[str] = [source.state.state]
    monkeypatch.setattr(reopening, "SILENT", -1.0)
    states.append(source.state.state)
    assert states == ["running", "silent"]


def test_what_closing_says_does_no_harm() -> None:
    class Stubborn(Scripted):
        def close(self) -> None:
            raise EdgeError("will not close")

    assert len(list(Reopening(lambda: Stubborn(2, 1000)))) == 2


def test_one_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    unplugged, told = threading.Event(), list[SourceState]()
    unplugged.set()

    def plug_in(seconds: float) -> None:
        if seconds == 1.0:
            unplugged.clear()

    monkeypatch.setattr("edge.live.reopening.time.sleep", plug_in)
    source = awaited(lambda: Scripted(2, 1000, unplugged), told.append)
    assert [(state.state, state.tries) for state in told] == [("lost", 1), ("lost", 2)]
    assert "no such camera" in told[0].reason
    assert len(list(source)) == 2

    def wrong() -> Scripted:
        raise UsageError("no such name")

    with pytest.raises(UsageError):
        awaited(wrong)


def test_one_that_nobody_iterates_over_can_be_closed() -> None:
    camera = Scripted()
    source = Reopening(lambda: camera)
    source.close()
    assert camera.closed == 1
    assert list(source) == []
