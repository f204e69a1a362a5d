#!/usr/bin/env python3
"""Take still pictures with a Raspberry Pi's camera, or a USB one, into the folder that is swapped.

    capture.py picamera2 --folder /srv/edge-swap/in --every 30
    capture.py v4l2 --device 0 --folder /srv/edge-swap/in --count 1

Headless: nothing is shown. The pictures are as the camera gives them; nobody is swapped into them
here. Each appears under its name when it is whole. A camera on the ribbon cable speaks through
libcamera, so OpenCV cannot open it: picamera2 does. This is no live stream, and no virtual camera.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

SETTLE = 2.0
"""Seconds until exposure and white balance have settled."""


class CameraTrouble(Exception):
    """The camera does not do what is asked; the message says what to do."""


def open_picamera2(width: int, height: int) -> Callable[[], Any]:
    """Open the camera on the ribbon cable; return what gives frames, uint8 (H, W, 3) BGR."""
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # ValueError: built for another numpy
        raise CameraTrouble(
            f"picamera2 does not load ({error}): sudo apt install python3-picamera2, in an "
            "environment that was made with --system-site-packages"
        ) from error
    camera = Picamera2()
    # What picamera2 calls RGB888 lies in memory as blue, green, red: as OpenCV wants it.
    main = {"size": (width, height), "format": "RGB888"}
    camera.configure(camera.create_still_configuration(main=main))
    camera.start()
    time.sleep(SETTLE)
    return lambda: camera.capture_array("main")


def open_v4l2(device: int, width: int, height: int) -> Callable[[], Any]:
    """Open a USB camera as motion JPEG; return what gives frames, uint8 (H, W, 3) BGR."""
    import cv2

    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not camera.isOpened():
        raise CameraTrouble(
            f"/dev/video{device} cannot be opened: see 'ls /dev/video*', and be in the group video"
        )
    # Uncompressed pictures of this size do not fit through USB 2.
    camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    start = time.monotonic()
    while time.monotonic() - start < SETTLE:
        camera.read()

    def frame() -> Any:
        camera.grab()  # an old one may have waited in the driver
        done, picture = camera.read()
        if not done:
            raise CameraTrouble(f"/dev/video{device} gave no picture: is it still plugged in?")
        return picture

    return frame


def save(picture: Any, folder: Path) -> Path:
    """Write a picture as JPEG; under its name only when it is whole."""
    import cv2

    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not done:
        raise CameraTrouble("the picture cannot be encoded")
    name = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ.jpg")
    part = folder / f".{name}.part"
    part.write_bytes(data.tobytes())
    part.rename(folder / name)
    return folder / name


def arguments_of(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="take still pictures into a folder, headless")
    parser.add_argument("source", choices=("picamera2", "v4l2"))
    parser.add_argument("--folder", type=Path, default=Path("/srv/edge-swap/in"))
    parser.add_argument("--device", type=int, default=0, help="number of /dev/video (v4l2)")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between pictures")
    parser.add_argument("--count", type=int, default=0, help="pictures; 0: until it is stopped")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Take pictures; return the exit status."""
    wanted = arguments_of(argv)
    try:
        if not wanted.folder.is_dir():
            raise CameraTrouble(f"{wanted.folder}: no such folder: name one with --folder")
        if wanted.source == "picamera2":
            frame = open_picamera2(wanted.width, wanted.height)
        else:
            frame = open_v4l2(wanted.device, wanted.width, wanted.height)
        taken = 0
        while True:
            sys.stdout.write(f"{save(frame(), wanted.folder)}\n")
            sys.stdout.flush()
            taken += 1
            if taken == wanted.count:
                return 0
            time.sleep(wanted.every)
    except KeyboardInterrupt:
        return 130
    except (CameraTrouble, OSError) as error:
        sys.stderr.write(f"capture: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
