"""The kiosk: one visitor after another, each from the form to the erasure."""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge.consent.canonical import utc_now
from edge.consent.refusals import recording_refusals
from edge.errors import (
    EdgeError,
    FaceCountError,
    KeyStoreError,
    NoFaceError,
    OutputError,
    PhotoError,
    UsageError,
)
from edge.interrupts import held_back
from edge.live.kiosk.enrolment import Desk, take_in
from edge.live.kiosk.form import read_answers
from edge.live.kiosk.visit import Place, new_place
from edge.live.reopening import Reopening
from edge.live.session import Plan, Session

if TYPE_CHECKING:
    from edge.consent.erase import Erased
    from edge.consent.identity import Identity
    from edge.live.broadcast import Broadcast
    from edge.live.health import HealthWatch
    from edge.swap import Swapper

Stage = Literal["form", "preparing", "visit", "erased"]

FAREWELL = 8.0
"""Seconds that the page says what was erased, before the next form."""

LEFT_ALONE = 45.0
"""Seconds without a page that watches, after which a visit ends by itself."""

GUESSES = 5
"""Wrong passphrases a minute."""

_START = 60.0  # seconds that a visit may take to begin
_LAST = 20.0  # seconds that a stopped kiosk waits for pictures that are being taken


@dataclass(slots=True)
class _Visit:
    place: Place
    identity: Identity | None
    begun: threading.Event
    error: EdgeError | None = None


class Kiosk:
    """Takes one visitor after another; what the page shows and asks for.

    Attributes:
        visits: Visits that were had so far.
        clean: Whether all that there was of visitors so far is erased, but for the visit that
            goes on.
    """

    def __init__(
        self,
        desk: Desk,
        make_swapper: Callable[[Identity], Swapper],
        health: HealthWatch,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nobody is taken in yet.

        Args:
            desk: What is needed to take somebody in.
            make_swapper: Returns what swaps an identity in.
            health: What the board says.
            told: Called with what happens, for the terminal.
        """
        self._desk, self._make_swapper, self._health = desk, make_swapper, health
        self._told = told
        self._lock = threading.Lock()
        self._stage: Stage = "form"
        self._session: Session | None = None
        self._erased: Erased | None = None
        self._since = 0.0
        self._come: queue.Queue[_Visit] = queue.Queue(1)
        self._here: _Visit | None = None  # until it is erased, wherever Ctrl-C strikes
        self._taken_in = threading.Event()  # not set while somebody is being taken in
        self._taken_in.set()
        self._left = threading.Event()
        self._stopped = threading.Event()
        self._wrong: list[float] = []
        self.visits = 0
        self.clean = True

    # What the page asks for ----------------------------------------------------------------------

    @property
    def broadcast(self) -> Broadcast | None:
        """The pictures of the visit that goes on."""
        session = self._session
        return None if session is None else session.broadcast

    def status(self) -> dict[str, Any]:
        """Return how it is, for the page."""
        session, stage = self._session, self._now()
        shown: dict[str, Any] = {"state": "idle", "reason": ""}
        left = 0
        if session is not None and stage == "visit":
            shown = session.status()
            left = shown["consent"]["seconds_left"]
        desk, erased = self._desk, self._erased
        kiosk = {
            "stage": stage,
            "purpose": desk.purpose,
            "minutes": desk.minutes,
            "agent": desk.agent,
            "seconds_left": left,
            "kept": [] if erased is None or stage != "erased" else list(erased.kept),
        }
        return {**shown, "health": self._health.latest.to_dict(), "kiosk": kiosk}

    def begin(self, form: Mapping[str, Any]) -> None:
        """Take somebody in: the form, the pictures, the consent, the identity; then the stream.

        Raises:
            UsageError: The form is not complete, somebody else is here, or the kiosk was stopped.
            OutputError: The visit did not begin in time.
            EdgeError: See `enrolment.take_in`.
        """
        answers = read_answers(form)
        with self._lock:
            self._check_open()
            if self._now() not in {"form", "erased"}:
                raise UsageError("请稍候 · somebody else's visit has not ended yet")
            self._stage = "preparing"
            self._taken_in.clear()
        try:
            visit = self._prepared(answers)
            self._hand_over(visit)
        except BaseException as error:
            self._stage = "form"
            if isinstance(error, EdgeError):
                self._told(f"nobody was taken in: {error}")
            raise _for_the_visitor(error) from error
        finally:
            self._taken_in.set()
        if not visit.begun.wait(_START):
            with contextlib.suppress(queue.Empty):  # `run` has it, and will erase it
                self._erase(self._come.get_nowait())
            raise OutputError("the visit did not begin: is the device too busy?")
        if visit.error is not None:
            raise visit.error

    def end(self) -> None:
        """End the visit, and wait until everything of it is erased."""
        session = self._session
        if session is not None:
            session.stop("the visitor ended the visit")
            self._left.wait(_START)

    def stop(self, reason: str) -> None:
        """End the visit: a page must not switch off the kiosk itself."""
        self.end()

    # What the device does ------------------------------------------------------------------------

    def run(self) -> None:
        """Take visitors until Ctrl-C, or until `close`; each one's end is their erasure.

        Who is being taken in at that moment is waited for, and erased as well.

        Raises:
            LedgerError: An erasure cannot be recorded; then nothing of that visit is erased.
        """
        try:
            while not self._stopped.is_set():
                try:
                    visit = self._come.get(timeout=0.2)
                except queue.Empty:
                    continue
                self._have(visit)
        except KeyboardInterrupt:
            pass
        finally:
            with held_back():  # a second Ctrl-C must not leave anybody behind
                self._clear_up()

    def close(self) -> None:
        """End `run`, from any thread; a visit that goes on is ended first."""
        self._stopped.set()
        session = self._session
        if session is not None:
            session.stop("the kiosk was stopped")

    def _now(self) -> Stage:
        if self._stage == "erased" and time.monotonic() - self._since > FAREWELL:
            self._stage = "form"
        return self._stage

    def _check_open(self) -> None:
        if self._stopped.is_set():
            raise UsageError("已停止 · the kiosk was stopped: nobody is taken in any more")

    def _hand_over(self, visit: _Visit) -> None:
        """Give a visit to `run`; one that came too late for it is erased.

        Raises:
            UsageError: The kiosk was stopped.
        """
        try:
            with self._lock:  # `run` ends under it: a visit is seen there, or its end is seen here
                self._check_open()
                self._here = visit
                self._come.put_nowait(visit)
        except UsageError:
            self._erase(visit)
            raise

    def _clear_up(self) -> None:
        """Let nobody in any more, and erase who is still here."""
        with self._lock:
            self._stopped.set()
        if not self._taken_in.is_set():
            self._told("somebody is being taken in: waiting until they can be erased")
        if not self._taken_in.wait(_LAST):
            self.clean = False
        visit = self._here
        if visit is not None:
            visit.error = UsageError("已停止 · the kiosk was stopped before the visit began")
            self._erase(visit)

    def _prepared(self, answers: Any) -> _Visit:
        self._check_guesses()
        place = new_place()
        try:
            with recording_refusals(self._desk.ledger, {"command": "kiosk"}):
                identity = take_in(self._desk, answers, place)
        except BaseException as error:
            if isinstance(error, KeyStoreError):
                self._wrong.append(time.monotonic())
            self._wipe(place)
            raise
        return _Visit(place, identity, threading.Event())

    def _check_guesses(self) -> None:
        """Refuse to try more passphrases than an attendant mistypes."""
        now = time.monotonic()
        self._wrong = [at for at in self._wrong if now - at < 60]
        if len(self._wrong) >= GUESSES:
            raise UsageError("请等一分钟 · too many wrong passphrases: wait a minute")

    def _have(self, visit: _Visit) -> None:
        """Have one visit; whatever ends it, everything of it is erased."""
        self._left.clear()
        interrupted = False
        try:
            interrupted = self._show(visit)
        except EdgeError as error:
            visit.error = error
            self._told(f"no visit: {error}")
        finally:
            with held_back():  # a second Ctrl-C must not leave anybody behind
                self._session = None
                self._erase(visit)
                self._left.set()
        if interrupted:
            self._stopped.set()

    def _erase(self, visit: _Visit) -> None:
        """Erase all of a visit, and let go whoever waits for it to begin.

        Raises:
            LedgerError: The erasure cannot be recorded; then nothing is erased yet.
        """
        visit.identity = None  # the embeddings go now
        gc.collect()
        self._here = None
        try:
            self._erased = self._wipe(visit.place)
            self._stage, self._since = "erased", time.monotonic()
            if not self._erased.kept:
                self._told("erased: identity, pictures and embedding of the visitor")
        finally:
            visit.begun.set()

    def _wipe(self, place: Place) -> Erased:
        try:
            erased = place.erase(self._desk.ledger)
        except BaseException:
            self.clean = False
            raise
        if erased.kept:
            self.clean = False
            self._told(f"NOT ERASED: {'; '.join(erased.kept)}")
        return erased

    def _show(self, visit: _Visit) -> bool:
        """Run the stream of a visit; return whether Ctrl-C ended it."""
        assert visit.identity is not None
        swapper = self._make_swapper(visit.identity)
        ends = visit.identity.consent.not_after
        # A second early, so that the end of the visit is no refusal.
        seconds = max(1.0, (ends - utc_now()).total_seconds() - 1.0)
        source = Reopening(self._desk.open_source)
        session = Session(swapper, source, Plan(show=True, seconds=seconds))
        self._session, self._stage = session, "visit"
        self.visits += 1
        self._told(f"visit {self.visits} begins, for {seconds:.0f} s")
        visit.begun.set()

        def still_there() -> None:
            broadcast = session.broadcast
            if broadcast is not None and broadcast.alone_for() > LEFT_ALONE:
                session.stop("nobody was watching any more")

        outcome = session.run(still_there)
        self._told(f"visit {self.visits} ended: {outcome.reason}")
        return outcome.interrupted


def _for_the_visitor(error: BaseException) -> BaseException:
    """Return an error in a visitor's words: no path of this device is theirs to read."""
    if isinstance(error, (NoFaceError, FaceCountError, PhotoError)):
        return PhotoError(
            "照片不合格：请一人正对镜头、光线均匀，再试一次 · the pictures will not do: be alone "
            "before the camera, look at it, in even light, and try again"
        )
    if isinstance(error, KeyStoreError):
        return KeyStoreError("口令不对 · the passphrase is wrong")
    return error
