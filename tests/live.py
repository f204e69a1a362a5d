"""What the tests of live streams share: a source that does as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.live.reopening import Reopening, SourceState
from edge.live.session import Plan, Session
from edge.live.sources.base import Kind, SourceError, Taken
from edge.live.sources.synthetic import draw_counter
from tests.scene import Stage, target

SIZE = (180, 320)
"""Height and width of its frames."""


class Scripted:
    """A source of frames with a face for the tiny detector, and a counter.

    Args:
        frames: How many it gives; None for no end.
        rate: Frames a second.
        unplugged: While it is set, the source has gone.
    """

    kind: Kind = "synthetic"
    name = "scripted camera"

    def __init__(
        self,
        frames: int | None = None,
        rate: float = 50.0,
        unplugged: threading.Event | None = None,
        colour: tuple[int, int, int] | None = None,
    ) -> None:
        self.rate = rate
        self.closed = 0
        self._left = frames
        self._unplugged = unplugged or threading.Event()
        self._frame = target(SIZE, ((8, 10),))
        if colour is not None:
            self._frame[(self._frame < 255).any(axis=2)] = colour
        self._number = 0
        if self._unplugged.is_set():
            raise SourceError("scripted camera: no such camera")

    def read(self) -> Taken | None:
        if self._unplugged.is_set():
            raise SourceError("scripted camera has gone")
        if self._left is not None:
            if self._left == 0:
                return None
            self._left -= 1
        time.sleep(1 / self.rate)
        frame = self._frame.copy()
        draw_counter(frame, self._number, int(time.time() * 1000))
        self._number += 1
        return Taken(frame, time.monotonic())

    def close(self) -> None:
        self.closed += 1


def session(
    ready: Stage,
    plan: Plan,
    *,
    frames: int | None = None,
    rate: float = 50.0,
    unplugged: threading.Event | None = None,
    colour: tuple[int, int, int] | None = None,
    told: Callable[[SourceState], None] = lambda _: None,
) -> Session:
    """Return a session of the tiny models with a scripted source."""
    source = Reopening(lambda: Scripted(frames, rate, unplugged, colour), told)
    return Session(ready.swapper(), source, plan)


def record(
    ready: Stage, folder: Path, *, frames: int = 24, segment: float = 0.2, rate: float = 40.0
) -> list[Path]:
    """Record a stream; return its segments."""
    outcome = session(ready, Plan(record=folder, segment=segment), frames=frames, rate=rate).run()
    assert outcome.error is None, outcome.error
    return sorted(folder.glob("*.mp4"))
