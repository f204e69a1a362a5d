"""An assembly line: every step in a thread of its own, frames handed on in order.

Engines, codecs and OpenCV let go of Python's lock while they work, so the line moves at the pace of
its slowest step and not of all of them together. What waits between two steps is bounded: memory
stays flat however long the video is. Where there are fewer cores than steps, the others give way to
the slowest one, so that it need not share a core with them.

`InOrder` is for files, where every frame counts. `Latest` is for cameras, where only the newest
one does: a frame that comes while the line is busy takes the place of the one that waits, and no
more than a few are under way, so that latency cannot grow.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

from edge.interrupts import held_back

BETWEEN = 2
"""Frames that may wait between two steps: enough to even out a step that takes turns between much
and little work, as the search for faces does, which looks at the whole of every fifth frame."""

PATIENCE = 5.0
"""Seconds that a camera is waited for when its line is left: one that hangs may never answer."""

UNDER_WAY = 2
"""Frames of a camera that may be in the line at once: none is older than two frame times."""

SETTLED = 50
"""Items after which it is known which step is the slowest: ten searches of whole frames."""

_POLITE = 5  # steps of niceness; a third of the processor's time beside one that has none

Step = Callable[[Any], Any]
_Line = TypeVar("_Line", bound="InOrder")


class _Closed(Exception):
    """No error: the line is being taken down while somebody waits for it."""


class _End:
    """The last thing in a line; what went wrong upstream, if anything did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Channel:
    """A bounded queue between two threads, which can be closed under both."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Any) -> None:
        """Hand an item on; waits for room. The end of the line always has some."""
        with self._changed:
            while len(self._items) >= self._room and not isinstance(item, _End):
                self._wait()
            self._add(item)

    def replace(self, item: Any) -> int:
        """Hand an item on at once, in place of those that wait; return how many those were."""
        with self._changed:
            dropped = len(self._items)
            self._items.clear()
            self._add(item)
            return dropped

    def get(self) -> Any:
        """Take the next item; waits for one."""
        with self._changed:
            while not self._items:
                self._wait()
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake everybody who waits here, with `_Closed`."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def _add(self, item: Any) -> None:
        if self._closed:
            raise _Closed
        self._items.append(item)
        self._changed.notify_all()

    def _wait(self) -> None:
        if self._closed:
            raise _Closed
        self._changed.wait()


_NOTHING = object()


def _give_way() -> None:
    """Let this thread have less of the processor than others, for good."""
    if sys.platform != "linux":
        return  # elsewhere a thread has no niceness of its own
    thread = threading.get_native_id()
    with suppress(OSError):
        nice = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, nice + _POLITE)


class InOrder:
    """Every item, through every step, in order; use it as a context manager and iterate over it.

    An error in the source or a step comes out of the iteration, behind the items that were ahead
    of it. Leaving the block stops all threads: what a step has begun it finishes first.
    """

    _source_patience: float | None = None

    def __init__(self, items: Iterable[Any], *steps: Step) -> None:
        """Set the line up; it starts with the block.

        Args:
            items: Where the items come from; iterated over in a thread of its own.
            steps: Each takes what the one before it gave.
        """
        self._items = items
        self._steps: Sequence[Step] = steps
        self._channels = [_Channel(BETWEEN) for _ in range(len(steps) + 1)]
        self._paces = [0.0] * (len(steps) + 2)  # mean seconds an item: source, steps, reader
        # Daemons: a step that hangs must not keep the process alive.
        self._threads = [
            threading.Thread(target=self._feed, name="line: source", daemon=True),
            *(
                threading.Thread(
                    target=self._work, args=(place,), name=f"line: step {place}", daemon=True
                )
                for place in range(len(steps))
            ),
        ]

    def __enter__(self: _Line) -> _Line:
        try:
            with held_back():  # a signal in between would leave threads behind that nobody ends
                for thread in self._threads:
                    thread.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            channel.close()
        for place, thread in enumerate(self._threads):
            if thread.ident is not None:  # it was started
                thread.join(self._source_patience if place == 0 else None)

    def __iter__(self) -> Iterator[Any]:
        """Yield what the last step gives.

        Raises:
            BaseException: Whatever the source or a step raised.
        """
        for number in count(1):
            try:
                item = self._channels[-1].get()
            except _Closed:
                return
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            begin = time.perf_counter()
            yield item
            self._paced(-1, number, begin)
            self._taken()

    def stop(self) -> None:
        """End the iteration at once; from any thread. What is under way is thrown away."""
        for channel in self._channels:
            channel.close()

    def _feed(self) -> None:
        """Put the items into the line; runs in the source's thread."""
        first = self._channels[0]
        with suppress(_Closed):
            error: BaseException | None = None
            try:
                items = iter(self._items)
                for number in count(1):
                    begin = time.perf_counter()
                    item = next(items, _NOTHING)
                    if item is _NOTHING:
                        break
                    self._paced(0, number, begin)
                    self._give_way_once(0, number)
                    self._enter(first, item)
            except _Closed:
                raise
            except BaseException as failure:  # noqa: BLE001 - raised again where the line is read
                error = failure
            finally:
                # Here and not where the line is left: a decoder belongs to its thread.
                if isinstance(self._items, Generator):
                    self._items.close()
            first.put(_End(error))

    def _work(self, place: int) -> None:
        """Do one step for all items; runs in the step's thread."""
        given, taken = self._channels[place], self._channels[place + 1]
        with suppress(_Closed):
            for number in count(1):
                item = self._take(given, place)
                if isinstance(item, _End):
                    taken.put(item)
                    return
                begin = time.perf_counter()
                try:
                    item = self._steps[place](item)
                except BaseException as failure:  # noqa: BLE001 - raised where the line is read
                    given.close()
                    taken.put(_End(failure))
                    return
                self._paced(place + 1, number, begin)
                self._give_way_once(place + 1, number)
                taken.put(item)

    def _paced(self, place: int, number: int, begin: float) -> None:
        """Note how long the newest item took that passed a place, the one of this number."""
        taken = time.perf_counter() - begin
        self._paces[place] += (taken - self._paces[place]) / number

    # What a camera does otherwise ---------------------------------------------------------------

    def _enter(self, first: _Channel, item: Any) -> None:
        first.put(item)

    def _take(self, given: _Channel, place: int) -> Any:
        return given.get()

    def _give_way_once(self, place: int, number: int) -> None:
        """Let the slowest place of the line go first; its reader is never held back."""
        if number == SETTLED and self._paces[place] < max(self._paces):
            _give_way()

    def _taken(self) -> None:
        """An item has left the line, and has been dealt with."""


class Latest(InOrder):
    """The newest items through every step, in order: what comes while all are busy is dropped.

    At most `UNDER_WAY` items are between the entrance and the reader, who has done with one when
    they ask for the next.

    A camera that has not answered some seconds after the block was left is left behind: its thread
    ends when it does answer, and what was to be done behind the line need not wait for that.

    Attributes:
        dropped: Items that a newer one replaced before they got into the line.
    """

    _source_patience = PATIENCE

    def __init__(self, items: Iterable[Any], *steps: Step) -> None:
        """Set the line up; see `InOrder`. At least one step is needed.

        Args:
            items: A camera: it blocks until there is a frame.
            steps: Each takes what the one before it gave.
        """
        if not steps:
            raise ValueError("a line without a step has nothing to be busy with")
        super().__init__(items, *steps)
        self.dropped = 0
        self._free = threading.Semaphore(UNDER_WAY)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._free.release(UNDER_WAY)  # the first step may wait for a place
        super().__exit__(kind, error, trace)

    def _enter(self, first: _Channel, item: Any) -> None:
        self.dropped += first.replace(item)

    def _give_way_once(self, place: int, number: int) -> None:
        """Nobody gives way: the source is the slowest, and does nothing but wait."""

    def _take(self, given: _Channel, place: int) -> Any:
        if place == 0:
            self._free.acquire()
        return given.get()

    def _taken(self) -> None:
        self._free.release()
