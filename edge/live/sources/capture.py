"""Cameras that OpenCV reads: what V4L2 and GStreamer share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from edge.live.sources.base import Kind, SourceError, Taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTLE = 5
"""Pictures thrown away at first: exposure and white balance have not settled."""


class CapturedSource:
    """A `cv2.VideoCapture` as a source.

    Args:
        camera: Open.
        name: What to call it.
        rate: Frames a second that were asked for.
    """

    kind: Kind = "camera"

    def __init__(self, camera: Any, name: str, rate: float) -> None:
        self._camera = camera
        self.name = name
        told = float(camera.get(cv2.CAP_PROP_FPS) or 0)
        self.rate = told if 0 < told < 1000 else rate
        for _ in range(SETTLE):
            camera.read()

    def read(self) -> Taken | None:
        """Wait for the next picture; see `Source`."""
        done, picture = self._camera.read()
        at = time.monotonic()
        if not done or picture is None:
            raise SourceError(f"{self.name} gives no pictures any more: is it still plugged in?")
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise SourceError(f"{self.name} gives pictures of {picture.shape} {picture.dtype}")
        return Taken(cast("NDArray[np.uint8]", np.ascontiguousarray(picture)), at)

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.release()
