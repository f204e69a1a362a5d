"""One live stream from its beginning to its end, under one consent."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from edge.consent.canonical import utc_now, utc_text
from edge.errors import EdgeError, OutputError
from edge.interrupts import held_back
from edge.jobs.line import Latest
from edge.live.broadcast import Broadcast
from edge.live.figures import Figures
from edge.live.leave import Leave
from edge.live.pipeline import Pipeline, Shown
from edge.live.recorder import SECONDS, Recorder, RecordingState
from edge.provenance.watermark.identifier import watermark_id
from edge.records import LivePart, SwapRecord

if TYPE_CHECKING:
    from pathlib import Path

    from edge.live.reopening import Reopening
    from edge.records import Medium
    from edge.swap import Swapper


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the frames.

    Attributes:
        record: Folder for segments; None for no recording.
        segment: Seconds of a segment.
        keep: Bytes of segments that may stay in the folder; None for all.
        show: Whether pictures are made for viewers.
        beside: Whether a small original goes along.
        seconds: How long it runs; None until it is stopped.
    """

    record: Path | None = None
    segment: float = SECONDS
    keep: int | None = None
    show: bool = False
    beside: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stream came to.

    Attributes:
        reason: Why it ended, for people.
        frames: Frames that went out.
        dropped: Frames of the source that newer ones replaced.
        seconds: How long it ran.
        faces: The most faces in one frame.
        recording: The recording's last state; None without one.
        error: What ended it, where it was no ordinary end.
        interrupted: Whether the operator asked for the end (Ctrl-C), whatever else ended it too.
    """

    reason: str
    frames: int
    dropped: int
    seconds: float
    faces: int
    recording: RecordingState | None
    error: EdgeError | None
    interrupted: bool


class Session:
    """A live stream: source, swap, recording, pictures for viewers.

    Attributes:
        broadcast: The newest pictures; None where nobody can watch.
        leave: Leave to go on.
    """

    def __init__(self, swapper: Swapper, source: Reopening, plan: Plan) -> None:
        """Ask for leave, and prepare; nothing runs yet but the threads that wait for frames.

        The source is the session's from here on: it is let go of where there can be none.

        Args:
            swapper: Who is swapped in, and with what.
            source: Where pictures come from.
            plan: What becomes of them.

        Raises:
            EdgeError: There is no leave, or what the plan needs is not here.
        """
        try:
            self._prepare(swapper, source, plan)
        except BaseException:
            source.close()
            raise

    def _prepare(self, swapper: Swapper, source: Reopening, plan: Plan) -> None:
        self._swapper, self._source, self._plan = swapper, source, plan
        self._reason: str | None = None
        self._error: EdgeError | None = None
        self._interrupted = False
        self._line: Latest | None = None
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._figures, self._most = Figures(), 0
        media: tuple[Medium, ...] = ("live",) if plan.record is None else ("live", "video")
        with swapper.refusals({"source": source.state.name}):
            self.leave = Leave(swapper.permit_for, media, self._no_leave)
        self._pipeline = Pipeline(swapper, self.leave, source.rate, beside=plan.beside)
        first = LivePart(self._pipeline.stream, source.kind, "frame", 0, 0)
        self._recorder = (
            None
            if plan.record is None
            else Recorder(
                plan.record,
                swapper,
                self.leave,
                first,
                rate=source.rate,
                seconds=plan.segment,
                keep=plan.keep,
                on_error=self.fail,
            )
        )
        self.broadcast = Broadcast(self._record_of, first, self.fail) if plan.show else None

    @property
    def stream(self) -> str:
        """The stream's id."""
        return self._pipeline.stream

    def run(self, told: Callable[[], None] = lambda: None) -> Outcome:
        """Run until it is stopped, the source is over, or there is no leave any more.

        Args:
            told: Called after each frame.

        Returns:
            What it came to; an error that ended it is in there, and not raised.
        """
        try:
            marks = {"output_id": self.stream, "watermark": watermark_id(self.stream)}
            self._enter("begun", marks)
            self.leave.start()
        except BaseException:
            with held_back():
                self._source.close()
                self._let_go()
            raise
        timer = None
        if self._plan.seconds is not None:
            timer = threading.Timer(self._plan.seconds, self.stop, ("the time is over",))
            timer.daemon = True
            timer.start()
        try:
            with self._swapper.refusals({"source": self._source.state.name}):
                self._run_line(told)
        except EdgeError as error:
            self.fail(error)
        except KeyboardInterrupt:
            self._interrupted = True
            self.stop("stopped by the operator")
        finally:
            if timer is not None:
                timer.cancel()
            with held_back():  # a second Ctrl-C must not cost the last segment
                self._wind_up()
        return self._outcome()

    def _run_line(self, told: Callable[[], None]) -> None:
        with Latest(self._source, self._pipeline.look, self._pipeline.swap) as line:
            self._line = line
            if self._reason is not None:  # stopped before there was a line
                line.stop()
            try:
                for shown in line:
                    if shown is not None:
                        self._hand_on(shown)
                    told()
            finally:
                self._source.stop()  # or its thread would go on waiting for a lost camera
        self.stop("the source is over")

    def stop(self, reason: str) -> None:
        """End it, from any thread; nothing is shown any more from this moment on."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
        if self.broadcast is not None:
            self.broadcast.close()
        self._source.stop()
        if self._line is not None:
            self._line.stop()

    def fail(self, error: EdgeError) -> None:
        """End it because of an error, from any thread."""
        with self._lock:
            if self._reason is None:
                self._error = error
        self.stop(str(error))

    def status(self) -> dict[str, Any]:
        """Return how it is, as the page shows it."""
        state, permit = self._source.state, self.leave.permit("live")
        ages = self._figures.ages()
        left = (permit.not_after - utc_now()).total_seconds()
        recording = None if self._recorder is None else self._recorder.state
        return {
            "state": "running" if self._reason is None else "ended",
            "reason": self._reason or "",
            "stream": self.stream,
            "source": asdict(state),
            "frames": self._figures.frames,
            "fps": round(self._figures.rate(), 1),
            "made_ms": None if ages is None else [round(age, 1) for age in ages],
            "dropped": 0 if self._line is None else self._line.dropped,
            "consent": {
                "until": utc_text(permit.not_after),
                "seconds_left": max(0, round(left)),
                "assurance": permit.assurance,
                "purpose": permit.purpose,
                "target": permit.target_statement,
            },
            "recording": None
            if recording is None
            else {
                "folder": recording.folder.name,
                "segments": recording.segments,
                "frames": recording.frames,
                "dropped": recording.dropped,
                "error": recording.error,
            },
            "beside": self._plan.beside,
        }

    def _hand_on(self, shown: Shown) -> None:
        """Give a labelled frame to whoever records and whoever watches."""
        if self._reason is not None:
            return
        self._figures.add(shown.at)
        self._most = max(self._most, shown.faces)
        if self.broadcast is not None:
            self.broadcast.offer(shown)
        if self._recorder is not None:
            self._recorder.offer(shown)

    def _no_leave(self, error: EdgeError) -> None:
        self.fail(error)
        with contextlib.suppress(EdgeError):  # the refusal stands, entry or not
            asked = {"purpose": self.leave.permit("live").purpose, "stream": self.stream}
            self._swapper.ledger.refusal(error, asked, self._swapper.people())

    def _record_of(self, shown: Shown, part: LivePart) -> SwapRecord:
        permit = self.leave.permit("live")
        record = self._swapper.record(permit, shown.place, "", faces=shown.faces, frames=1)
        return replace(record, live=part)

    def _wind_up(self) -> None:
        """Let go of everything; the last segment gets its name."""
        self._let_go()
        details = {"stream": self.stream, "reason": self._reason or "", **self._sums()}
        with contextlib.suppress(EdgeError):
            self._enter("ended", details)

    def _let_go(self) -> None:
        self.leave.stop()
        if self._recorder is not None:
            self._recorder.stop()
        if self.broadcast is not None:
            self.broadcast.close()
            self.broadcast.join()

    def _sums(self) -> dict[str, str]:
        sums = {"frames": str(self._figures.frames)}
        if self._recorder is not None:
            sums["segments"] = str(self._recorder.state.segments)
        return sums

    def _enter(self, stage: str, details: dict[str, str]) -> None:
        permit = self.leave.permit("live")
        self._swapper.ledger.event(
            "live",
            {
                "stage": stage,
                **details,
                "source": self._source.kind,
                "identity": permit.identity_commitment,
                "consent_id": permit.consent_id,
                "purpose": permit.purpose,
                "target_statement": permit.target_statement,
            },
        )

    def _outcome(self) -> Outcome:
        recorder = self._recorder
        if recorder is not None and recorder.state.error and self._error is None:
            self._error = OutputError(recorder.state.error)
        return Outcome(
            reason=self._reason or "",
            frames=self._figures.frames,
            dropped=0 if self._line is None else self._line.dropped,
            seconds=time.monotonic() - self._start,
            faces=self._most,
            recording=None if recorder is None else recorder.state,
            error=self._error,
            interrupted=self._interrupted,
        )
