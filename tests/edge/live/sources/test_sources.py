"""Names of sources, and what each says when it is not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import EdgeError, EngineMissing, MediaError, UsageError
from edge.live.sources import FORMS, open_source
from edge.live.sources.base import SourceError, Wanted


@pytest.mark.parametrize(
    ("named", "error", "said"),
    [
        ("camera:99", SourceError, "no such camera"),
        ("camera:/dev/none", SourceError, "no such camera"),
        ("camera:front", UsageError, "a number, or a path"),
        ("camera:\u00b2", UsageError, "a number, or a path"),
        ("picamera2", EngineMissing, "python3-picamera2"),
        ("picamera2:x", UsageError, "number is missing"),
        ("picamera2:\u00b2", UsageError, "number is missing"),
        ("csi:", (EngineMissing, SourceError), "GStreamer|does not start"),
        ("csi:x", UsageError, "number is missing"),
        ("gstreamer:", UsageError, "pipeline is missing"),
        ("gstreamer:videotestsrc", (EngineMissing, SourceError), "GStreamer|does not start"),
        ("http://example.org/x.mjpg", UsageError, "only rtsp://"),
        ("none.mp4", MediaError, "neither a source's name nor a file"),
    ],
)
def test_a_source_that_is_not_here(
    named: str, error: type[EdgeError] | tuple[type[EdgeError], ...], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        open_source(named, Wanted())
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("x")
    with pytest.raises(MediaError, match="is no video"):
        open_source(str(path), Wanted())


def test_the_page_lists_every_form() -> None:
    page = (Path(__file__).parents[4] / "docs" / "live.md").read_text(encoding="utf-8")
    for form in FORMS[:-1]:
        assert f"`{form}`" in page
