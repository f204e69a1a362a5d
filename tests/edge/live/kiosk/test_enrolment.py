"""Pictures of a visitor: the camera is on for as long as they take, and may hang, vanish or end."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.live.kiosk import enrolment
from edge.live.kiosk.enrolment import PICTURES, Desk, take_pictures
from edge.live.sources.base import Source, SourceError, Taken
from tests.kiosk import desk, until
from tests.live import Scripted


class Hanging(Scripted):
    """A camera that gives some pictures, and then none until it is let go."""

    def __init__(self, pictures: int) -> None:
        super().__init__(rate=100)
        self.let_go = threading.Event()
        self._before = pictures

    def read(self) -> Taken | None:
        self._before -= 1
        if self._before < 0:
            self.let_go.wait()
        return super().read()


@pytest.fixture
def at(edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(edge_home, tmp_path, monkeypatch)


def test_the_camera_is_off_when_the_pictures_are_there(at: Desk) -> None:
    cameras: list[Scripted] = []

    def opened() -> Source:
        cameras.append(Scripted(rate=100))
        return cameras[0]

    assert len(take_pictures(replace(at, open_source=opened))) == PICTURES
    assert [camera.closed for camera in cameras] == [1]


@pytest.mark.parametrize("pictures", [0, 1])
def test_a_camera_that_hangs_is_given_up_and_closed_when_it_wakes(
    at: Desk, monkeypatch: pytest.MonkeyPatch, pictures: int
) -> None:
    monkeypatch.setattr(enrolment, "PATIENCE", 0.3)
    camera = Hanging(pictures)
    try:
        with pytest.raises(SourceError, match=r"gave no picture for 0\.3 s"):
            take_pictures(replace(at, open_source=lambda: camera))
        assert camera.closed == 0
    finally:
        camera.let_go.set()
    until(lambda: camera.closed == 1)


def test_a_camera_that_hangs_as_it_opens(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "PATIENCE", 0.2)
    let_go, camera = threading.Event(), Scripted()

    def opened() -> Source:
        let_go.wait()
        return camera

    try:
        with pytest.raises(SourceError, match="gave no picture"):
            take_pictures(replace(at, open_source=opened))
    finally:
        let_go.set()
    until(lambda: camera.closed == 1)


def test_a_camera_that_is_not_there_says_so(at: Desk) -> None:
    def opened() -> Source:
        raise SourceError("camera:7: no such camera")

    with pytest.raises(EdgeError, match="no such camera"):
        take_pictures(replace(at, open_source=opened))


def test_a_source_that_is_over(at: Desk) -> None:
    camera = Scripted(frames=1, rate=100)
    with pytest.raises(SourceError, match="it is over"):
        take_pictures(replace(at, open_source=lambda: camera))
    assert camera.closed == 1
