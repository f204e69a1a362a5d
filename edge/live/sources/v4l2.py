"""USB cameras and all others that speak Video4Linux: motion JPEG, or raw YUYV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2

from edge.errors import UsageError
from edge.live.sources.base import PixelFormat, SourceError, Wanted
from edge.live.sources.capture import CapturedSource

FOURCC: dict[PixelFormat, str] = {"mjpeg": "MJPG", "yuyv": "YUYV"}


class V4l2Camera(CapturedSource):
    """A camera of Video4Linux.

    Uncompressed pictures above 640x480 do not fit through USB 2 at 25 a second, so motion JPEG is
    asked for first; a camera that has none sends what it has, and OpenCV converts it.

    Args:
        device: Number of /dev/video, or a path.
        wanted: What to ask for.
    """

    def __init__(self, device: str, wanted: Wanted) -> None:
        """Open it.

        Raises:
            UsageError: It is neither a number nor a path.
            SourceError: It cannot be opened.
        """
        path = Path(f"/dev/video{int(device)}" if re.fullmatch("[0-9]{1,3}", device) else device)
        if not path.is_absolute():
            raise UsageError(f"--source camera:{device}: give a number, or a path like /dev/video0")
        if not path.exists():
            raise SourceError(f"{path}: no such camera: 'ls /dev/video*' shows those that are here")
        camera = self._open(path, wanted)
        if not camera.isOpened():
            raise SourceError(
                f"{path} cannot be opened: is another program using it, and are you in the group "
                "video?"
            )
        super().__init__(camera, str(path), wanted.rate)

    @staticmethod
    def _open(path: Path, wanted: Wanted) -> Any:
        camera = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        # First the format: drivers offer sizes and rates by format.
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*FOURCC[wanted.pixels]))
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, wanted.width)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, wanted.height)
        camera.set(cv2.CAP_PROP_FPS, wanted.rate)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not those that waited
        return camera
