"""Leave to go on: a consent is looked at again several times a second while a stream runs.

A permit that was checked a moment ago is what lets a frame through. Nothing goes out on an older
one, whatever keeps the checks from being made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.consent.canonical import utc_now
from edge.errors import ConsentError, EdgeError
from edge.records import Medium, Permit

EVERY = 0.3
"""Seconds between two checks: of the clock, revocations, policy, and the end of a bundle."""

OLDEST = 0.8
"""Seconds after which a check does not count any more. With the time of a frame on its way to the
screen that is less than a second."""


@dataclass(frozen=True, slots=True)
class _Checked:
    permits: dict[Medium, Permit]
    at: float


class Leave:
    """Leave for one live stream, for as long as it lasts.

    Attributes:
        over: Why there is none any more; None while there is.
    """

    def __init__(
        self,
        ask: Callable[[Medium], Permit],
        media: tuple[Medium, ...],
        on_end: Callable[[EdgeError], None],
    ) -> None:
        """Ask for the first time.

        Args:
            ask: Returns a permit for a medium, or raises why there is none.
            media: All that is needed: `live`, and `video` where it is recorded.
            on_end: Called once, from the thread that watches, when there is none any more.

        Raises:
            EdgeError: There is none.
        """
        self._ask = ask
        self._media = media
        self._on_end = on_end
        self.over: EdgeError | None = None
        self._checked = self._check()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live: consent", daemon=True)

    def permit(self, medium: Medium) -> Permit:
        """Return the last permit that there was for one of the media."""
        return self._checked.permits[medium]

    def covers_now(self) -> bool:
        """Whether a frame may go out at this moment."""
        checked = self._checked
        return (
            self.over is None
            and time.monotonic() - checked.at <= OLDEST
            and all(utc_now() <= permit.not_after for permit in checked.permits.values())
        )

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY):
            try:
                self._checked = self._check()
            except EdgeError as error:
                self._end(error)
                return
            except Exception as error:  # noqa: BLE001 - a file may go between two looks at it
                why = " ".join(str(error).split()) or type(error).__name__
                self._end(
                    ConsentError(f"the consent cannot be checked any more: {why}; start anew")
                )
                return

    def _end(self, error: EdgeError) -> None:
        self.over = error
        self._on_end(error)

    def _check(self) -> _Checked:
        at = time.monotonic()  # before, not after: what it says may be as old as that
        return _Checked({medium: self._ask(medium) for medium in self._media}, at)
