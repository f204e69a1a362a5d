"""The newest frame as a signed JPEG, for whoever watches: made once, however many they are.

A viewer asks for a picture that is newer than the one they have, and gets the newest. So nothing
waits in a queue, a slow viewer sees fewer pictures and no older ones, and nobody holds up the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import EdgeError, ProvenanceError
from edge.media.image import encode_picture
from edge.provenance.frames import JPEG, FrameSigner, of_stream

if TYPE_CHECKING:
    from edge.live.pipeline import Shown
    from edge.records import LivePart, SwapRecord

QUALITY = 85
"""0 to 100; the label's edges stay crisp at 4:4:4."""

UNWATCHED = 3.0
"""Seconds without a viewer from which no pictures are made."""

_ORIGINAL_EVERY = 0.2  # seconds between originals: enough to see oneself beside


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as viewers get it.

    Attributes:
        index: Its number in the stream.
        jpeg: Labelled, watermarked, with implicit label and signed manifest.
        taken_ms: When it was taken, milliseconds of this machine's clock since 1970.
        ready_ms: When it was ready.
    """

    index: int
    jpeg: bytes
    taken_ms: float
    ready_ms: float


class Broadcast:
    """Makes pictures of frames, in a thread of its own, while somebody watches.

    Attributes:
        original: The newest small original as JPEG, where one goes along; else None.
    """

    def __init__(
        self,
        record: Callable[[Shown, LivePart], SwapRecord],
        first: LivePart,
        on_error: Callable[[EdgeError], None],
    ) -> None:
        """Start.

        Args:
            record: Returns the record of a picture.
            first: The part of the stream that the first picture is, as far as is known.
            on_error: Called once, from the thread, when pictures cannot be signed any more.
        """
        self._record, self._first, self._on_error = record, first, on_error
        self._signer: FrameSigner | None = None
        self._signed_for: object = None
        self._slot: Shown | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._latest: Picture | None = None
        self._ready = 0.0  # when the newest was: a clock that is set must make no old one new
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._asked = 0.0
        self._made = time.monotonic()
        self._begin: float | None = None
        self._original_at = 0.0
        self.original: bytes | None = None
        self._thread = threading.Thread(target=self._work, name="live: show", daemon=True)
        self._thread.start()

    def offer(self, shown: Shown) -> None:
        """Take a frame in place of one that waits; returns at once."""
        if self._begin is None:
            self._begin = shown.at
        if time.monotonic() - self._asked > UNWATCHED:
            return
        with self._changed:
            self._slot = shown
            self._changed.notify_all()

    async def after(self, index: int, seconds: float) -> Picture | None:
        """Wait for a picture newer than number `index`; None where none comes in time.

        Args:
            index: Number of the picture that the viewer has; -1 for none.
            seconds: How long to wait.
        """
        self._asked = time.monotonic()
        loop = asyncio.get_running_loop()
        with self._changed:
            if self._closed:
                return None
            if self._latest is not None and self._latest.index > index and self._fresh():
                return self._latest
            future: asyncio.Future[None] = loop.create_future()
            waits = (loop, future)
            self._waiting.append(waits)
        try:
            await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            pass
        finally:  # or it stays for as long as no picture comes: a camera may be lost for days
            with self._changed, contextlib.suppress(ValueError):
                self._waiting.remove(waits)
        latest = self._latest
        return latest if latest is not None and latest.index > index and self._fresh() else None

    def _fresh(self) -> bool:
        """Whether the newest picture may still be shown: not after the end, nor a stale one."""
        latest = self._latest
        return (
            not self._closed and latest is not None and time.monotonic() - self._ready < UNWATCHED
        )

    def alone_for(self) -> float:
        """Return for how many seconds nobody has asked for a picture."""
        return time.monotonic() - max(self._asked, self._made)

    def close(self) -> None:
        """Show nothing more, from this moment on; whoever waits is told."""
        with self._changed:
            self._closed = True
            self._latest = self._slot = self.original = None
            self._changed.notify_all()
            waiting, self._waiting = self._waiting, []
        _wake(waiting)

    def join(self) -> None:
        """Wait for the thread's end."""
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._slot is None and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                shown, self._slot = self._slot, None
            assert shown is not None
            try:
                self._publish(self._picture(shown), self._beside(shown))
            except EdgeError as error:
                self._on_error(error)
                return
            except Exception as error:  # noqa: BLE001 - a thread of ours must not die unheard
                self._on_error(ProvenanceError(f"a live picture could not be made: {error}"))
                return

    def _picture(self, shown: Shown) -> Picture:
        jpeg = encode_picture(shown.frame, None, JPEG, quality=QUALITY)
        if self._signer is None or self._signed_for is not shown.place:
            self._signer = FrameSigner(of_stream(self._record(shown, self._first)))
            self._signed_for = shown.place
        begins = round((shown.at - (self._begin or shown.at)) * 1000)
        signed = self._signer.sign(jpeg, shown.index, begins, shown.faces)
        now = time.time()
        taken = now - (time.monotonic() - shown.at)
        return Picture(shown.index, signed, taken * 1000, now * 1000)

    def _beside(self, shown: Shown) -> bytes | None:
        if shown.original is None or shown.at - self._original_at < _ORIGINAL_EVERY:
            return self.original
        self._original_at = shown.at
        return encode_picture(shown.original, None, JPEG, quality=QUALITY)

    def _publish(self, picture: Picture, original: bytes | None) -> None:
        with self._changed:
            if self._closed:
                return
            self._latest, self.original = picture, original
            self._ready = time.monotonic()
            waiting, self._waiting = self._waiting, []
        _wake(waiting)


def _wake(waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]]) -> None:
    for loop, future in waiting:
        with contextlib.suppress(RuntimeError):  # the server has closed its loop
            loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
