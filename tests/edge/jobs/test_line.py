"""The line: order, bounds, errors, an early end, and what a camera does otherwise."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from operator import add
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.jobs.line import BETWEEN, SETTLED, UNDER_WAY, InOrder, Latest


def _same(item: Any) -> Any:
    return item


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("line")}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(), max_size=40), st.integers(0, 4))
def test_everything_comes_out_in_order(items: list[int], steps: int) -> None:
    with InOrder(items, *(partial(add, step) for step in range(steps))) as line:
        assert list(line) == [item + sum(range(steps)) for item in items]
    assert not _threads()


def test_steps_run_at_once() -> None:
    """Two steps that wait for each other come to an end only if both run."""
    meet = threading.Barrier(2, timeout=10)
    met = []

    def first(item: int) -> int:
        if item == 1:
            meet.wait()
        return item

    def second(item: int) -> int:
        if item == 0:
            meet.wait()
            met.append(item)
        return item

    with InOrder(range(3), first, second) as line:
        assert list(line) == [0, 1, 2]
    assert met == [0]


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own here")
@pytest.mark.parametrize("slowest", ["source", "first", "second", "reader"])
@pytest.mark.parametrize("kind", [InOrder, Latest])
def test_all_but_the_slowest_step_give_way(slowest: str, kind: type[InOrder]) -> None:
    before, seen = _niceness(), dict[str, int]()

    def work(name: str, item: int) -> int:
        time.sleep(0.006 if name == slowest else 0.001)
        seen[name] = _niceness()
        return item

    items = (work("source", number) for number in range(SETTLED + 20))
    with kind(items, partial(work, "first"), partial(work, "second")) as line:
        for item in line:
            work("reader", item)
    polite = {name for name, nice in seen.items() if nice > before}
    expected = {"source", "first", "second"} - {slowest} if kind is InOrder else set()
    assert polite == expected
    assert _niceness() == before, "what comes after the line is held back by nothing"


def test_what_waits_is_bounded() -> None:
    given_out = []

    def source() -> Iterator[int]:
        for item in range(1000):
            given_out.append(item)
            yield item

    with InOrder(source(), _same, _same) as line:
        assert next(iter(line)) == 0
        time.sleep(0.2)  # it would run far ahead by now
        # One with the reader, and for each of the three channels those that wait and one in hand.
        assert len(given_out) <= 1 + 3 * (BETWEEN + 1)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_error_comes_out_behind_what_was_ahead_of_it(place: int) -> None:
    def fail(item: int) -> int:
        if item == 5:
            raise KeyError("five")
        return item

    def source() -> Iterator[int]:
        yield from map(fail if place == 0 else _same, range(1000))

    steps = [fail if place == each else _same for each in (1, 2)]
    seen: list[int] = []
    with pytest.raises(KeyError, match="five"), InOrder(source(), *steps) as line:
        seen.extend(line)
    assert seen == [0, 1, 2, 3, 4]
    assert not _threads()


def test_leaving_early_stops_the_source_and_closes_it() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from iter(int, 1)  # zeros without end
        finally:
            closed.append(threading.current_thread().name)

    with InOrder(source(), _same, _same) as line:
        assert next(iter(line)) == 0
    assert not _threads()
    assert closed == ["line: source"]  # in its own thread: codecs want that


def test_an_error_of_the_reader_stops_the_line() -> None:
    with pytest.raises(ZeroDivisionError), InOrder(iter(int, 1), _same) as line:
        list(map((1).__floordiv__, line))
    assert not _threads()


@pytest.mark.parametrize("line", [InOrder, Latest])
def test_a_signal_while_the_line_is_set_up_leaves_no_thread(
    line: type[InOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start
    started: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if len(started) == 1:
            signal.raise_signal(signal.SIGINT)
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), line(iter(range(100)), _same, _same):
        pytest.fail("the line was set up")
    assert started
    assert not _threads()


def test_a_line_for_which_there_are_no_threads_left_ends_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = threading.Thread.start
    started: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="new thread"), InOrder(iter(range(100)), _same):
        pytest.fail("the line was set up")
    assert not _threads()


def test_a_camera_drops_what_is_old() -> None:
    held = threading.Event()

    def source() -> Iterator[int]:
        for item in range(200):
            yield item
            time.sleep(0.001)
        held.wait(5)
        yield 200

    def slow(item: int) -> int:
        time.sleep(0.02)
        return item

    with Latest(source(), slow) as line:
        seen = []
        for item in line:
            seen.append(item)
            if item >= 199:
                held.set()
    assert seen == sorted(set(seen))
    assert seen[-1] == 200
    assert 0 < line.dropped == 201 - len(seen)
    assert not _threads()


def test_a_camera_has_few_frames_under_way() -> None:
    entered, most = [], []

    def count(item: int) -> int:
        entered.append(item)
        return item

    def source() -> Iterator[int]:
        for item in range(100):
            yield item
            time.sleep(0.001)

    with Latest(source(), count, _same, _same) as line:
        for done, _ in enumerate(line):
            time.sleep(0.005)
            most.append(len(entered) - done)
    assert max(most) <= UNDER_WAY


def test_a_camera_that_fails_says_so() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"), Latest(source(), _same) as line:
        list(line)


def test_a_camera_needs_a_step() -> None:
    with pytest.raises(ValueError, match="step"):
        Latest([])


def test_leaving_a_camera_stops_it() -> None:
    with Latest(iter(int, 1), _same) as line:
        assert next(iter(line)) == 0
    assert not _threads()


def test_a_camera_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Latest, "_source_patience", 0.1)
    answers = threading.Event()

    def hanging() -> Iterator[int]:
        yield 1
        answers.wait(30)

    start = time.monotonic()
    with Latest(hanging(), _same) as line:
        assert next(iter(line)) == 1
    assert time.monotonic() - start < 5
    answers.set()  # it ends when it answers
    while _threads():
        assert time.monotonic() - start < 20
        time.sleep(0.01)


def test_a_line_that_is_stopped_from_elsewhere_ends_at_once() -> None:
    never = threading.Event()

    def waiting() -> Iterator[int]:
        yield 1
        never.wait(30)

    with Latest(waiting(), lambda item: item) as line:
        seen = []
        for item in line:
            seen.append(item)
            threading.Timer(0.05, line.stop).start()
        assert seen == [1]
        never.set()  # leaving the block waits for the source
