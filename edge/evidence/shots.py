"""Small pictures of a file, for the report, and whether our visible label is seen in them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import EdgeError
from edge.media.image import encode_picture
from edge.provenance.seen import SeenLabel, find_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 480
"""Most pixels of a thumbnail's longer side."""

_FRAMES = 3  # of a video, a second apart


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the file, small.

    Attributes:
        jpeg: The thumbnail, encoded.
        size: Width and height of the frame itself, pixels.
        second: Time in the video; None for a picture.
        label: The visible label that was found in it.
    """

    jpeg: bytes
    size: tuple[int, int]
    second: float | None
    label: SeenLabel | None


def shots_of(path: Path, media_type: str) -> tuple[Shot, ...]:
    """Return thumbnails of a picture, or of a video's first seconds; none where it cannot be read.

    Args:
        path: The file.
        media_type: Of its content.
    """
    try:
        if media_type.startswith("video/"):
            return tuple(_of_video(path))
        if media_type.startswith("image/"):
            from edge.media.image import read_picture

            return (_shot(read_picture(path).frame, None),)
    except EdgeError:
        pass  # the verdict says what is wrong with it
    return ()


def _of_video(path: Path) -> list[Shot]:
    from edge.media.video_in import open_video

    with open_video(path) as video:
        rate = float(video.info.rate or 25)
        frames = islice(video.sampled(max(1, round(rate))), _FRAMES)
        return [_shot(frame.frame, frame.index / rate) for frame in frames]


def _shot(frame: NDArray[np.uint8], second: float | None) -> Shot:
    height, width = frame.shape[:2]
    factor = min(1.0, SIDE / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    jpeg = encode_picture(small, None, "image/jpeg")
    return Shot(jpeg, (width, height), second, find_label(frame))
