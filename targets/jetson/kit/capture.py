#!/usr/bin/python3
"""Take still pictures with a Jetson's camera, or a USB one, into the folder that is swapped.

    capture.py csi --sensor 0 --folder /srv/edge-swap/in --every 30
    capture.py usb --device 0 --folder /srv/edge-swap/in --count 1
    capture.py csi --show-pipeline

A camera on the CSI connector goes through NVIDIA's image processor: OpenCV must have been built
with GStreamer, which JetPack's own is (that of /usr/bin/python3) and PyPI's is not. The appsink
holds one frame and drops older ones, so that a slow reader gets the newest. Headless: nothing is
shown, nobody is swapped here. This is no live stream, and no virtual camera.
"""

from __future__ import annotations

import argparse
import re
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


def csi_pipeline(sensor: int, width: int, height: int, rate: int) -> str:
    """Return the GStreamer pipeline of a CSI camera; its frames are uint8 (H, W, 3) BGR."""
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        f"video/x-raw(memory:NVMM),width={width},height={height},framerate={rate}/1 ! "
        "nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink drop=1 max-buffers=1 sync=false"
    )


def has_gstreamer(build: str) -> bool:
    """Return whether an OpenCV can open pipelines, by what `cv2.getBuildInformation()` says."""
    return re.search(r"^\s*GStreamer:\s+YES", build, re.MULTILINE) is not None


def open_csi(sensor: int, width: int, height: int, rate: int) -> Callable[[], Any]:
    """Open the camera on the CSI connector; return what gives frames."""
    import cv2

    if not has_gstreamer(cv2.getBuildInformation()):
        raise CameraTrouble(
            f"OpenCV {cv2.__version__} in {Path(cv2.__file__).parent} has no GStreamer: JetPack's "
            "has: sudo apt install libopencv-python, and run this with /usr/bin/python3"
        )
    camera = cv2.VideoCapture(csi_pipeline(sensor, width, height, rate), cv2.CAP_GSTREAMER)
    if not camera.isOpened():
        raise CameraTrouble(
            f"no camera {sensor} at the CSI connector: try 'gst-launch-1.0 nvarguscamerasrc "
            "num-buffers=1 ! fakesink', and 'sudo systemctl restart nvargus-daemon'"
        )
    return _reader(camera, f"CSI camera {sensor}")


def open_usb(device: int, width: int, height: int) -> Callable[[], Any]:
    """Open a USB camera as motion JPEG; return what gives frames."""
    import cv2

    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not camera.isOpened():
        raise CameraTrouble(
            f"/dev/video{device} cannot be opened: see 'ls /dev/video*', and be in the group video"
        )
    camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return _reader(camera, f"/dev/video{device}")


def _reader(camera: Any, name: str) -> Callable[[], Any]:
    start = time.monotonic()
    while time.monotonic() - start < SETTLE:
        camera.read()

    def frame() -> Any:
        camera.grab()  # an old one may have waited in the driver
        done, picture = camera.read()
        if not done:
            raise CameraTrouble(f"{name} gave no picture: is it still plugged in?")
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
    parser.add_argument("source", choices=("csi", "usb"))
    parser.add_argument("--folder", type=Path, default=Path("/srv/edge-swap/in"))
    parser.add_argument("--sensor", type=int, default=0, help="number of the CSI camera")
    parser.add_argument("--device", type=int, default=0, help="number of /dev/video (usb)")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--rate", type=int, default=30, help="frames in a second (csi)")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between pictures")
    parser.add_argument("--count", type=int, default=0, help="pictures; 0: until it is stopped")
    parser.add_argument("--show-pipeline", action="store_true", help="print it, and take nothing")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Take pictures; return the exit status."""
    wanted = arguments_of(argv)
    size = wanted.width, wanted.height
    if wanted.show_pipeline:
        sys.stdout.write(f"{csi_pipeline(wanted.sensor, *size, wanted.rate)}\n")
        return 0
    try:
        if not wanted.folder.is_dir():
            raise CameraTrouble(f"{wanted.folder}: no such folder: name one with --folder")
        if wanted.source == "csi":
            frame = open_csi(wanted.sensor, *size, wanted.rate)
        else:
            frame = open_usb(wanted.device, *size)
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
