"""Stop a training run between two steps: Ctrl-C and SIGTERM are asked for, not thrown."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class Stop:
    """While it is entered, the first signal is remembered; a second one ends the process as usual.

    Attributes:
        asked: whether somebody wants the run to stop.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, usual in self._before.items():
            signal.signal(number, usual)
        self._before.clear()


def left_alone(_: int = 0) -> None:
    """Leave Ctrl-C to the process that waits, in one that works for it.

    A terminal sends it to both. SIGTERM ends a helper as usual, whatever its parent does with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
