"""GStreamer pipelines, and with them the CSI cameras of a Jetson."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from edge.errors import EngineMissing, UsageError
from edge.live.sources.base import SourceError, Wanted
from edge.live.sources.capture import CapturedSource

_SINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=1 max-buffers=1 sync=false"
"""One frame is held and older ones dropped, so that a slow reader gets the newest."""


def csi_pipeline(sensor: int, wanted: Wanted) -> str:
    """Return the pipeline of a Jetson's CSI camera, which goes through NVIDIA's image processor."""
    size = f"width={wanted.width},height={wanted.height},framerate={round(wanted.rate)}/1"
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),{size} ! "
        "nvvidconv ! video/x-raw,format=BGRx"
    )


def whole_pipeline(text: str) -> str:
    """Return a pipeline with the sink that is read from; one of the user's own is left alone."""
    return text if re.search(r"\bappsink\b", text) else f"{text} ! {_SINK}"


def has_gstreamer(build: str) -> bool:
    """Return whether an OpenCV can open pipelines, by what `cv2.getBuildInformation()` says."""
    return re.search(r"^\s*GStreamer:\s+YES", build, re.MULTILINE) is not None


class GstreamerSource(CapturedSource):
    """What a GStreamer pipeline gives.

    Args:
        pipeline: As for gst-launch-1.0, without a sink; `appsink` is put behind it.
        name: What to call it.
    """

    def __init__(self, pipeline: str, name: str) -> None:
        """Start it.

        Raises:
            UsageError: There is no pipeline.
            EngineMissing: This OpenCV has no GStreamer.
            SourceError: It does not start.
        """
        if not pipeline.strip():
            raise UsageError("--source gstreamer: the pipeline is missing: gstreamer:v4l2src ! ...")
        if not has_gstreamer(cv2.getBuildInformation()):
            raise EngineMissing(
                f"OpenCV {cv2.__version__} in {Path(cv2.__file__).parent} has no GStreamer: "
                "JetPack's has (apt install libopencv-python, environment with "
                "--system-site-packages); PyPI's never has"
            )
        camera = cv2.VideoCapture(whole_pipeline(pipeline), cv2.CAP_GSTREAMER)
        if not camera.isOpened():
            raise SourceError(
                f"{name} does not start: try 'gst-launch-1.0 {pipeline} ! fakesink' (a Jetson: "
                "'sudo systemctl restart nvargus-daemon')"
            )
        super().__init__(camera, name, 30.0)
