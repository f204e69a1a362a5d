"""Sources of live pictures, one file each, imported when one is asked for by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.live.sources.base import Source, Wanted

FORMS = (
    "synthetic",
    "camera:N",
    "picamera2",
    "csi:N",
    "gstreamer:PIPELINE",
    "rtsp://...",
    "a video file",
)
"""What `--source` takes."""


def open_source(named: str, wanted: Wanted) -> Source:
    """Open a source by its name.

    Args:
        named: synthetic; camera:N or camera:/dev/videoN (V4L2); picamera2 or picamera2:N; csi:N
            (a Jetson's); gstreamer:PIPELINE; rtsp://...; else the path of a video file.
        wanted: Size, rate and pixel format to ask a camera for.

    Raises:
        UsageError: It is no such name.
        EngineMissing: What it needs is not installed.
        SourceError: It cannot be opened; says what to do.
    """
    kind, _, rest = named.partition(":")
    if named == "synthetic":
        from edge.live.sources.synthetic import SyntheticCamera

        return SyntheticCamera(wanted)
    if kind == "camera":
        from edge.live.sources.v4l2 import V4l2Camera

        return V4l2Camera(rest or "0", wanted)
    if kind == "picamera2":
        from edge.live.sources.picamera2 import PiCamera

        return PiCamera(_number(rest or "0", named), wanted)
    if kind == "csi":
        from edge.live.sources.gstreamer import GstreamerSource, csi_pipeline

        return GstreamerSource(csi_pipeline(_number(rest or "0", named), wanted), named)
    if kind in {"gstreamer", "gst"}:
        from edge.live.sources.gstreamer import GstreamerSource

        return GstreamerSource(rest, "gstreamer")
    if kind in {"rtsp", "rtsps"}:
        from edge.live.sources.rtsp import RtspSource

        return RtspSource(named)
    if "://" in named:
        raise UsageError(f"--source {named}: of addresses only rtsp:// is read")
    from edge.live.sources.file import FileSource

    return FileSource(named)


def _number(text: str, named: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text):
        raise UsageError(f"--source {named}: the camera's number is missing, as in camera:0")
    return int(text)
