"""Cameras on the network that speak RTSP; the connection is the one that the user asked for."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from edge.live.sources.base import Kind, SourceError, Taken
from edge.media.live_in import NetworkError, open_rtsp


class RtspSource:
    """A stream of RTSP.

    Args:
        address: rtsp://[user:password@]host[:port]/path
    """

    kind: Kind = "network"

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            EngineMissing: PyAV is not installed.
            SourceError: It cannot be reached, or has no video.
        """
        self.name = without_password(address)
        try:
            self._stream: Any = open_rtsp(address)
        except NetworkError as error:
            raise SourceError(f"{self.name} cannot be opened: {error}") from error
        self.rate = self._stream.rate

    def read(self) -> Taken | None:
        """Wait for the next picture; see `Source`."""
        try:
            picture = self._stream.read()
        except NetworkError as error:
            raise SourceError(f"{self.name} has gone: {error}") from error
        return Taken(np.ascontiguousarray(picture, np.uint8), time.monotonic())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def without_password(address: str) -> str:
    """Return an address as it may be shown and logged."""
    return re.sub(r"//[^/]*@", "//", address)
