"""Read the watermark of a file: of a picture, or of several frames of a video together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import EdgeError
from edge.provenance.watermark.detect import Found, read_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAMES = 6
"""Frames of a video that are read together."""

SPACINGS = (0.2, 2.0)
"""Seconds between them: first within one second, then, if that tells nothing, over more."""


@dataclass(frozen=True, slots=True)
class Look:
    """What looking for a watermark in a file came to.

    Attributes:
        found: The mark; None where none was found, or the pixels could not be read.
        problem: Why the pixels could not be looked at; None when they were.
        others: Further marks, as in a picture that was made from a marked one.
    """

    found: Found | None
    problem: str | None = None
    others: tuple[Found, ...] = ()

    def naming(self, identifier: str | None) -> Look:
        """Return the same look, with the mark of this id, if it is there, as the one found."""
        marks = [mark for mark in (self.found, *self.others) if mark is not None]
        marks.sort(key=lambda mark: mark.id != identifier)
        return Look(marks[0] if marks else None, self.problem, tuple(marks[1:]))


def look_into(path: Path, media_type: str) -> Look:
    """Look for a watermark in a picture or video file.

    Args:
        path: The file.
        media_type: Of its content.
    """
    try:
        if media_type.startswith("image/"):
            from edge.media.image import read_picture

            return _look(read_all(read_picture(path).frame))
        if media_type.startswith("video/"):
            return _look(_of_video(path))
    except EdgeError as error:
        return Look(None, str(error))
    return Look(None, f"{media_type} has no pixels to look at")


def _look(marks: tuple[Found, ...]) -> Look:
    return Look(marks[0] if marks else None, others=marks[1:])


def _of_video(path: Path) -> tuple[Found, ...]:
    for spacing in SPACINGS:
        frames = _frames(path, spacing)
        marks = read_all(*frames)
        if marks or len(frames) < FRAMES:
            return marks
    return ()


def _frames(path: Path, spacing: float) -> list[NDArray[np.uint8]]:
    from edge.media.video_in import open_video

    with open_video(path) as video:
        step = max(1, round(float(video.info.rate or 25) * spacing))
        return [frame.frame for frame in islice(video.sampled(step), FRAMES)]
