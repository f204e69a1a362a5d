"""Read a network camera frame by frame, the newest one first in mind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge.media.limits import VIDEO_LIMITS
from edge.media.pyav import load_av, reason

SECONDS = 8.0
"""How long a camera may take to answer, or to send the next packet."""

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

    def __init__(self, container: Any) -> None:
        self._av = load_av()
        self._container = container
        if not container.streams.video:
            container.close()
            raise NetworkError("it has no video")
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads per frame would hold frames back
        self.rate = float(stream.average_rate or stream.guessed_rate or 25)
        self._frames: Iterator[Any] = container.decode(stream)

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
        complaint = VIDEO_LIMITS.complaint(frame.width, frame.height)
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
