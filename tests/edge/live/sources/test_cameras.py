"""Cameras, by stand-ins for their drivers: what is asked for, what is taken, what is said."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import EngineMissing
from edge.live.sources import gstreamer, open_source
from edge.live.sources.base import SourceError, Wanted
from edge.live.sources.rtsp import without_password


class Device:
    """Stands in for cv2.VideoCapture."""

    opens = True
    made: list[Device]

    def __init__(self, named: str, kind: int) -> None:
        self.named, self.kind, self.asked = named, kind, list[Any]()
        self.unplugged: Any = False
        self.released: Any = False
        Device.made.append(self)

    def isOpened(self) -> bool:
        return Device.opens

    def set(self, what: int, value: float) -> bool:
        self.asked.append((what, value))
        return True

    def get(self, what: int) -> float:
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, Any]:
        return (False, None) if self.unplugged else (True, np.zeros((48, 64, 3), np.uint8))

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    Device.made, Device.opens = [], True
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    return Device


@pytest.mark.parametrize(("pixels", "code"), [("mjpeg", "MJPG"), ("yuyv", "YUYV")])
def test_a_camera_is_asked_for_format_first(
    device: type[Device], pixels: Any, code: str, tmp_path: Path
) -> None:
    node = tmp_path / "video7"
    node.touch()
    source = open_source(f"camera:{node}", Wanted(640, 480, 15, pixels))
    made = device.made[0]
    assert made.named == str(node)
    assert made.kind == cv2.CAP_V4L2
    assert made.asked[0] == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*code))
    assert (cv2.CAP_PROP_FRAME_WIDTH, 640) in made.asked
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in made.asked
    assert source.rate == 30  # what it says it does, not what was asked for
    taken = source.read()
    assert taken is not None
    assert taken.frame.shape == (48, 64, 3)
    made.unplugged = True
    with pytest.raises(SourceError, match="still plugged in"):
        source.read()
    source.close()
    assert made.released


def test_a_camera_that_another_program_has(device: type[Device], tmp_path: Path) -> None:
    Device.opens = False
    node = tmp_path / "video0"
    node.touch()
    with pytest.raises(SourceError, match="another program"):
        open_source(f"camera:{node}", Wanted())


def test_a_jetson_s_camera(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GStreamer:   YES (1.20)\n")
    source = open_source("csi:1", Wanted(1280, 720, 30))
    named = device.made[0].named
    assert device.made[0].kind == cv2.CAP_GSTREAMER
    assert "sensor-id=1" in named
    assert "width=1280,height=720,framerate=30/1" in named
    assert named.endswith("appsink drop=1 max-buffers=1 sync=false")
    assert source.name == "csi:1"


def test_a_pipeline_of_the_user_s_own(
    device: type[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GStreamer:   YES (1.20)\n")
    open_source("gstreamer:videotestsrc ! videoconvert ! appsink name=x", Wanted())
    assert device.made[0].named == "videotestsrc ! videoconvert ! appsink name=x"
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GStreamer:   NO\n")
    with pytest.raises(EngineMissing, match="JetPack"):
        gstreamer.GstreamerSource("videotestsrc", "x")


class Picamera2:
    """Stands in for picamera2's class."""

    def __init__(self, number: int) -> None:
        if number > 0:
            raise IndexError("list index out of range")
        self.running = False

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        return settings

    def configure(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def start(self) -> None:
        self.running = True

    def capture_array(self, which: str) -> Any:
        if not self.running:
            raise RuntimeError("camera frontend has timed out")
        return np.zeros((48, 64, 3), np.uint8)

    def close(self) -> None:
        self.running = False


def test_a_pi_s_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))
    source: Any = open_source("picamera2", Wanted(640, 360, 25))
    # What lies in memory as blue, green, red.
    assert source._camera.settings["main"] == {"size": (640, 360), "format": "RGB888"}
    assert source._camera.settings["controls"] == {"FrameRate": 25}
    taken = source.read()
    assert taken is not None
    assert taken.frame.shape == (48, 64, 3)
    source.close()
    with pytest.raises(SourceError, match="no pictures any more"):
        source.read()
    with pytest.raises(SourceError, match="list-cameras"):
        open_source("picamera2:1", Wanted())


def test_a_network_camera_that_does_not_answer() -> None:
    pytest.importorskip("av", reason="network cameras need PyAV")
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        open_source("rtsp://eve:secret@127.0.0.1:9/stream", Wanted())
    assert "secret" not in str(caught.value)


def test_no_password_is_shown() -> None:
    assert without_password("rtsp://eve:a@b@host:554/x") == "rtsp://host:554/x"
    assert without_password("rtsp://eve:secret@host:554/x") == "rtsp://host:554/x"
    assert without_password("rtsp://host/x@y") == "rtsp://host/x@y"
