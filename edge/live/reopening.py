"""A source that comes back: opened again, with longer and longer waits, when it has vanished."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edge.errors import EdgeError
from edge.limits import device_limits
from edge.live.sources.base import Paced, Source, SourceError, Taken

FIRST_WAIT = 0.5
"""Seconds before the first try."""

LONGEST_WAIT = 15.0
"""Seconds between tries at last; each wait is twice the one before it."""

SILENT = 3.0
"""Seconds without a picture from which a source that is open is called silent."""

State = Literal["running", "silent", "lost", "ended"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source is.

    Attributes:
        name: What it is called.
        state: running; silent: open, but no picture comes; lost: it has gone and is tried again;
            ended: a file that is over, or somebody stopped.
        reason: Why it is lost, for people; empty otherwise.
        tries: How often it was tried since it was lost.
        losses: How often it was lost so far.
    """

    name: str
    state: State
    reason: str = ""
    tries: int = 0
    losses: int = 0


class Reopening:
    """Pictures from a source, whatever becomes of it meanwhile.

    Args:
        open_it: Opens the source; called at once, and again each time it has been lost.
        told: Called with each change of its state, from the thread that reads.
    """

    def __init__(
        self, open_it: Callable[[], Source], told: Callable[[SourceState], None] = lambda _: None
    ) -> None:
        """Open the source.

        Raises:
            EdgeError: It cannot be opened: whoever named it wrongly is told at once.
        """
        self._open = open_it
        self._told = told
        self._stopped = threading.Event()
        self._limits = device_limits().video
        self._source: Source | None = open_it()
        self.kind = self._source.kind
        self.rate = self._source.rate
        self._state = SourceState(self._source.name, "running")
        self._last = time.monotonic()

    @property
    def state(self) -> SourceState:
        """How it is now."""
        state = self._state
        if state.state == "running" and time.monotonic() - self._last > SILENT:
            return replace(state, state="silent")
        return state

    def __iter__(self) -> Iterator[Taken]:
        """Yield pictures as they come, until the source is over or `stop` is called."""
        try:
            while not self._stopped.is_set():
                try:
                    taken = self._within(self._ready().read())
                except EdgeError as error:
                    if not self._wait_after(error):
                        return
                    continue
                if taken is None:
                    return
                self._last = time.monotonic()
                if self._state.state != "running":
                    self._change(replace(self._state, state="running", reason="", tries=0))
                yield taken
        finally:
            self._close()
            self._change(replace(self._state, state="ended"))

    def stop(self) -> None:
        """End the iteration at its next picture, or in the midst of a wait."""
        self._stopped.set()
        source: object = self._source
        if isinstance(source, Paced):
            source.wake()

    def close(self) -> None:
        """Let go of a source that nobody iterates over: the iteration does so itself at its end."""
        self.stop()
        self._close()

    def _within(self, taken: Taken | None) -> Taken | None:
        """Return a picture that is no larger than this device takes: a camera sends what it likes.

        Raises:
            SourceError: It is.
        """
        if taken is not None:
            height, width = taken.frame.shape[:2]
            complaint = self._limits.complaint(width, height)
            if complaint is not None:
                raise SourceError(f"{self._state.name}: its picture of {complaint}")
        return taken

    def _ready(self) -> Source:
        if self._source is None:
            self._source = self._open()
        return self._source

    def _wait_after(self, error: EdgeError) -> bool:
        """Let go of a lost source and wait before the next try; return whether there is one."""
        self._close()
        tries = self._state.tries + 1
        losses = self._state.losses + (self._state.state != "lost")
        state = replace(self._state, state="lost", reason=str(error), tries=tries, losses=losses)
        self._change(state)
        return not self._stopped.wait(_wait(tries))

    def _change(self, state: SourceState) -> None:
        if state != self._state:
            self._state = state
            self._told(state)

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            with contextlib.suppress(EdgeError, OSError, RuntimeError):  # it has gone already
                source.close()


def awaited(
    open_it: Callable[[], Source], told: Callable[[SourceState], None] = lambda _: None
) -> Reopening:
    """Open a source that may not be there yet: a camera comes up later than the board it is on.

    Args:
        open_it: See `Reopening`.
        told: See `Reopening`; told of each try, too.

    Raises:
        EdgeError: It cannot be opened, and not because there is no such camera now.
    """
    tries = 0
    while True:
        try:
            return Reopening(open_it, told)
        except SourceError as error:
            tries += 1
            told(SourceState("", "lost", str(error), tries))
            time.sleep(_wait(tries))


def _wait(tries: int) -> float:
    """Return the seconds from a try to the next one."""
    return min(LONGEST_WAIT, FIRST_WAIT * float(2 ** min(tries - 1, 10)))
