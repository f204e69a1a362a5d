"""Record a live stream: closed segments of a few seconds, each signed, each naming the one before.

A segment gets its name when it is whole, signed, verified and in the ledger, so that a loss of
power costs the one that is open, and no other. Encoding has a thread, signing another; a recorder
that cannot keep up leaves frames out and counts them, and never holds the stream back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import EdgeError, OutputError
from edge.jobs.deliver import deliver
from edge.live.keeping import Keeping
from edge.live.pipeline import TICKS
from edge.media.video_info import VideoInfo, colour_of
from edge.media.video_out import VideoWriter
from edge.provenance.implicit import implicit_json, mp4_metadata
from edge.provenance.signer import ready_to_sign
from edge.publish import Publication, remove_stale
from edge.records import LivePart, Permit, SwapRecord

if TYPE_CHECKING:
    from edge.live.leave import Leave
    from edge.live.pipeline import Shown
    from edge.swap import Swapper

SECONDS = 10.0
"""Length of a segment: what a loss of power costs at most."""

_WAITING = 4  # frames that may wait for the encoder
_UNSIGNED = 2  # segments that may wait for their signature


@dataclass(frozen=True, slots=True)
class RecordingState:
    """How a recording is.

    Attributes:
        folder: Where it goes.
        segments: Segments that have their name.
        frames: Frames in them, and in the one that is open.
        dropped: Frames that were left out because the encoder was busy.
        error: What went wrong, for people; empty while nothing did.
    """

    folder: Path
    segments: int = 0
    frames: int = 0
    dropped: int = 0
    error: str = ""


class _Open:
    """A segment that is being written."""

    def __init__(self, path: Path, draft: SwapRecord, shown: Shown, rate: float) -> None:
        self.path, self.draft, self.begins = path, draft, shown.at
        self.size = shown.frame.shape[1::-1]
        self.last, self.most = shown.at, 0
        self.publication = Publication(path)
        self.plain = self.publication.temporary()
        try:
            metadata = mp4_metadata(implicit_json(draft))
            self.writer = VideoWriter(self.plain, _info(shown, rate), metadata, threads=1)
        except BaseException:
            self.publication.__exit__(None, None, None)
            raise

    def write(self, shown: Shown) -> None:
        self.writer.write(shown.frame, round((shown.at - self.begins) * TICKS))
        self.last, self.most = shown.at, max(self.most, shown.faces)

    def drop(self) -> None:
        """Leave nothing of it."""
        self.writer.abort()
        self.publication.__exit__(None, None, None)


class Recorder:
    """Records one stream into a folder; started at once."""

    def __init__(
        self,
        folder: Path,
        swapper: Swapper,
        leave: Leave,
        first: LivePart,
        *,
        rate: float,
        seconds: float = SECONDS,
        keep: int | None = None,
        on_error: Callable[[EdgeError], None] = lambda _: None,
    ) -> None:
        """Check the folder and start.

        Args:
            folder: Where segments go; made where it is missing. Others' files in it stay.
            swapper: Makes the records.
            leave: Has the permits.
            first: The part of the stream that the first segment is, as far as is known.
            rate: Frames a second, as the source says.
            seconds: Length of a segment.
            keep: Bytes of this device's segments that may stay in the folder; None for all.
            on_error: Called once, from a thread of the recorder, when it cannot go on.

        Raises:
            EngineMissing: PyAV is not installed.
            KeyStoreError: The device's key cannot sign.
            LedgerError: The ledger cannot be read, which says what is there already.
            OutputError: The folder cannot be made.
        """
        from edge.media.pyav import load_av

        load_av()
        ready_to_sign()  # not after the first ten seconds
        make_folder(folder)
        remove_stale(folder)
        self._keeping = None if keep is None else Keeping(folder, swapper.ledger, keep)
        self._folder, self._swapper, self._leave = folder, swapper, leave
        self._first, self._rate, self._seconds, self._on_error = first, rate, seconds, on_error
        # The stream's id too: a board whose clock stands while it is off has one time twice.
        begun = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self._stamp = f"{begun}-{first.stream.rpartition(':')[2][:8]}"
        self._state = RecordingState(folder)
        self._frames: deque[Shown | None] = deque()
        self._changed = threading.Condition()
        self._open: _Open | None = None
        self._begun, self._previous = 0, ""
        self._start: float | None = None
        self._failed = self._torn = False
        self._signer = ThreadPoolExecutor(1, "live: sign")
        self._pending: deque[Future[None]] = deque()
        self._thread = threading.Thread(target=self._work, name="live: record", daemon=True)
        self._thread.start()

    @property
    def state(self) -> RecordingState:
        """How it is now."""
        return self._state

    def offer(self, shown: Shown) -> None:
        """Take a frame if there is room for it; returns at once."""
        with self._changed:
            if self._failed or len(self._frames) >= _WAITING:
                self._count(dropped=1)
                return
            self._frames.append(shown)
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish: what is open becomes the last segment. Waits until it has its name."""
        with self._changed:
            self._frames.append(None)
            self._changed.notify_all()
        self._thread.join()
        self._signer.shutdown(wait=True)

    def _count(self, *, segments: int = 0, frames: int = 0, dropped: int = 0) -> None:
        """Add to the state; three threads do."""
        with self._changed:
            state = self._state
            self._state = replace(
                state,
                segments=state.segments + segments,
                frames=state.frames + frames,
                dropped=state.dropped + dropped,
            )

    def _work(self) -> None:
        """Encode; runs in a thread of its own."""
        try:
            while (shown := self._next()) is not None:
                self._write(shown)
            if self._open is not None:
                self._finish(self._open, last=True)
            while self._pending:
                self._pending.popleft().result()
        except EdgeError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a thread of ours must not die unheard
            self._fail(OutputError(f"{self._folder}: the recording failed: {error}"))

    def _next(self) -> Shown | None:
        with self._changed:
            while not self._frames:
                self._changed.wait()
            return self._frames.popleft()

    def _fail(self, error: EdgeError) -> None:
        with self._changed:
            self._failed = True
            self._state = replace(self._state, error=str(error))
        if self._open is not None:
            self._open.drop()
            self._open = None
        self._on_error(error)

    def _write(self, shown: Shown) -> None:
        segment = self._open
        if segment is not None and (
            shown.at - segment.begins >= self._seconds or segment.size != shown.frame.shape[1::-1]
        ):
            self._finish(segment, last=False)
            segment = None
        if segment is None:
            segment = self._open = self._new(shown)
        segment.write(shown)
        self._count(frames=1)

    def _new(self, shown: Shown) -> _Open:
        if self._start is None:
            self._start = shown.at
        path = self._folder / f"{self._stamp}-{self._begun:05d}.mp4"
        draft = self._swapper.record(
            self._leave.permit("video"), shown.place, "", faces=0, frames=0
        )
        begins = round((shown.at - self._start) * 1000)
        part = replace(self._first, part="segment", index=self._begun, begins=begins)
        self._begun += 1
        return _Open(path, replace(draft, live=part), shown, self._rate)

    def _finish(self, segment: _Open, *, last: bool) -> None:
        """Close a segment's file, and have it signed while the next one is written."""
        self._open = None
        try:
            segment.writer.close()
            # The permit under which its newest frame went out: it was checked a moment before.
            permit = self._leave.permit("video")
            length = round((segment.last - segment.begins + 1 / self._rate) * 1000)
            while len(self._pending) >= _UNSIGNED or (self._pending and self._pending[0].done()):
                self._pending.popleft().result()
            job = self._signer.submit(self._sign, segment, permit, length, last)
        except BaseException:  # an earlier segment's too: this one is unsigned, and must not stay
            segment.publication.__exit__(None, None, None)
            raise
        self._pending.append(job)

    def _sign(self, segment: _Open, permit: Permit, length: int, last: bool) -> None:
        """Sign a segment and give it its name; runs in the signing thread, one after another.

        Raises:
            OutputError: One before it could not be signed: the recording ends there.
        """
        with segment.publication as publication:
            if self._torn:  # it waited meanwhile, and would name the last good one as its own
                raise OutputError(f"{segment.path}: the segment before it could not be signed")
            self._torn = True  # until it has its name
            assert segment.draft.live is not None
            part = replace(segment.draft.live, length=length, last=last, previous=self._previous)
            record = replace(
                segment.draft,
                permit=permit,
                faces=segment.most,
                frames=segment.writer.frames,
                live=part,
            )
            done = deliver(
                publication, segment.plain, self._swapper.ledger, record, None, segment.path
            )
        self._previous, self._torn = done.sha256, False
        self._count(segments=1)
        if self._keeping is not None:
            self._keeping.add(segment.path, part.stream, part.index, done.sha256)


def make_folder(folder: Path) -> None:
    """Make the folder of a recording.

    Raises:
        OutputError: It cannot be made, or is none.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; --record takes a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Publication(folder / "probe.mp4") as probe:
            probe.temporary()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error


def _info(shown: Shown, rate: float) -> VideoInfo:
    height, width = shown.frame.shape[:2]
    return VideoInfo(
        path=None,
        width=width,
        height=height,
        orientation=1,
        rotation=0,
        rate=Fraction(rate).limit_denominator(1000),
        duration=None,
        frames=None,
        time_base=Fraction(1, TICKS),
        shift=Fraction(0),
        pixel_aspect=Fraction(1),
        colour=colour_of(2, 2, 2, False, height),
        has_audio=False,
        codec="",
        container="",
    )
