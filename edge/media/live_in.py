"""Read a network camera frame by frame, the newest one first in mind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge.limits import device_limits
from edge.media.limits import VideoLimits
from edge.media.pyav import load_av, reason

SECONDS = 8.0
"""How long a camera may take to answer, or to send the next packet."""

_RATE = 25.0
"""Frames a second where a camera does not say, or says what none does."""

_OPTIONS = {
    "rtsp_transport": "tcp",  # UDP loses packets, and a lost packet is a grey half of a picture
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto",
    "fflags": "nobuffer",
    "flags": "low_delay",
}


class NetworkError(Exception):
    """A camera on the network cannot be reached, or has gone; the message says why."""


class RtspReader:
    """An open RTSP stream.

    Attributes:
        rate: Frames a second, as the camera says.
    """

    def __init__(self, container: Any, limits: VideoLimits | None = None) -> None:
        """Take an open container.

        Args:
            container: PyAV's.
            limits: What is refused; this device's limits by default.

        Raises:
            NetworkError: It has no video, or one beyond the limits.
        """
        self._av = load_av()
        self._container = container
        self._limits = limits or device_limits().video
        try:
            stream = self._stream()
        except NetworkError:
            container.close()
            raise
        stream.thread_type = "SLICE"  # threads per frame would hold frames back
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        # Cameras that stamp in 1/90000 s may be guessed to send as many frames a second.
        self.rate = rate if 0 < rate <= self._limits.max_rate else _RATE
        self._frames: Iterator[Any] = container.decode(stream)

    def _stream(self) -> Any:
        """Return the video, where what the camera states of it is within the limits."""
        streams = self._container.streams
        if not streams.video:
            raise NetworkError("it has no video")
        if len(streams) > self._limits.max_streams:
            raise NetworkError(f"it has {len(streams)} streams: at most {self._limits.max_streams}")
        stream = streams.video[0]
        context = stream.codec_context
        # A camera may leave the size to its pictures: each of them is looked at, too.
        complaint = context.width and self._limits.complaint(context.width, context.height)
        if complaint:
            raise NetworkError(f"its picture of {complaint}")
        return stream

    def read(self) -> NDArray[np.uint8]:
        """Return the next frame, uint8 (H, W, 3) BGR.

        Raises:
            NetworkError: No more comes.
        """
        try:
            frame = next(self._frames, None)
        except (self._av.FFmpegError, OSError, EOFError) as error:
            raise NetworkError(reason(error)) from error
        if frame is None:
            raise NetworkError("the camera ended the stream")
        complaint = self._limits.complaint(frame.width, frame.height)
        if complaint is not None:
            raise NetworkError(f"its picture of {complaint}")
        return cast("NDArray[np.uint8]", frame.to_ndarray(format="bgr24"))

    def close(self) -> None:
        """Close the connection."""
        self._container.close()


def open_rtsp(address: str) -> RtspReader:
    """Connect to a camera.

    Args:
        address: rtsp:// or rtsps://.

    Raises:
        EngineMissing: PyAV is not installed.
        NetworkError: It cannot be reached.
    """
    av = load_av()
    try:
        container = av.open(address, "r", format="rtsp", options=_OPTIONS, timeout=SECONDS)
    except (av.FFmpegError, OSError) as error:
        raise NetworkError(reason(error)) from error
    return RtspReader(container)
