"""A video file, played at its own pace."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from edge.errors import MediaError
from edge.live.sources.base import Kind, Taken
from edge.media.sniff import is_video
from edge.media.video_in import open_video

LONGEST = 10.0
"""Seconds that a frame is waited for at most, or may be late: a file may claim any time stamp."""


class FileSource:
    """A video file as if it were a camera: a frame comes when its time has come, not before.

    Args:
        path: The file, as the user named it.
    """

    kind: Kind = "file"

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            MediaError: It is missing, or no video.
        """
        file = Path(path)
        if not file.exists():
            raise MediaError(
                f"--source {path}: neither a source's name nor a file that is here; sources are: "
                "synthetic, camera:N, picamera2, csi:N, gstreamer:PIPELINE, rtsp://..., a video"
            )
        if not is_video(file):
            raise MediaError(f"--source {path}: is no video")
        self.name = file.name
        self._reader = open_video(file)
        self.rate = float(self._reader.info.rate or 25)
        self._frames = iter(self._reader)
        self._start: float | None = None
        self._woken = threading.Event()

    def read(self) -> Taken | None:
        """Wait until the next frame is due; None at the file's end, or when woken."""
        frame = next(self._frames, None)
        if frame is None:
            return None
        seconds = frame.index / self.rate
        if frame.pts is not None:
            seconds = float(frame.pts * frame.time_base)
        if self._start is None:
            self._start = time.monotonic() - seconds
        due = self._start + seconds
        wait = due - time.monotonic()
        if abs(wait) > LONGEST:  # a jump: from here on its clock is another
            self._start -= wait
            due -= wait
        elif wait > 0 and self._woken.wait(wait):
            return None
        return Taken(frame.frame, max(due, time.monotonic() - 1.0))

    def wake(self) -> None:
        """See `Paced`."""
        self._woken.set()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
