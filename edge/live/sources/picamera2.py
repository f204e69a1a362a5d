"""A Raspberry Pi's camera on the ribbon cable, which speaks through libcamera."""

from __future__ import annotations

import time
from importlib import import_module

import numpy as np

from edge.errors import EngineMissing
from edge.live.sources.base import Kind, SourceError, Taken, Wanted


class PiCamera:
    """A camera that picamera2 opens.

    Args:
        number: Which camera.
        wanted: Size and rate.
    """

    kind: Kind = "camera"

    def __init__(self, number: int, wanted: Wanted) -> None:
        """Open it.

        Raises:
            EngineMissing: picamera2 does not load here.
            SourceError: There is no such camera, or another program has it.
        """
        try:
            module = import_module("picamera2")
        except (ImportError, ValueError) as error:  # ValueError: built for another numpy
            raise EngineMissing(
                f"picamera2 does not load ({error}): sudo apt install python3-picamera2, in an "
                "environment that was made with --system-site-packages"
            ) from error
        self.name = f"Pi camera {number}"
        self.rate = wanted.rate
        try:
            self._camera = module.Picamera2(number)
            # What picamera2 calls RGB888 lies in memory as blue, green, red: as OpenCV wants it.
            main = {"size": (wanted.width, wanted.height), "format": "RGB888"}
            settings = self._camera.create_video_configuration(
                main=main, buffer_count=3, controls={"FrameRate": wanted.rate}
            )
            self._camera.configure(settings)
            self._camera.start()
        except (IndexError, RuntimeError, OSError) as error:
            raise SourceError(
                f"{self.name} cannot be opened ({error}): 'rpicam-hello --list-cameras' shows "
                "those that are here"
            ) from error

    def read(self) -> Taken | None:
        """Wait for the next picture; see `Source`."""
        try:
            picture = self._camera.capture_array("main")
        except (RuntimeError, OSError) as error:
            raise SourceError(f"{self.name} gives no pictures any more: {error}") from error
        return Taken(np.ascontiguousarray(picture, np.uint8), time.monotonic())

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.close()
