"""Collect everything that can be known about one file."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import EdgeError
from edge.media.image import encode_picture
from edge.provenance.seen import SeenLabel, find_label
from edge.registry import sha256_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.evidence.lookup import LedgerFinding
    from edge.provenance.verdict import Verdict

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


@dataclass(frozen=True, slots=True)
class Evidence:
    """All the facts that a report tells.

    Attributes:
        verdict: What verifying the file found.
        name: The file's name, without its folder.
        sha256: Hex digest of the file.
        size: Its bytes.
        checked: When, UTC.
        shots: Thumbnails; none where the pixels cannot be read.
        ledger: What a ledger says; None where none was looked into.
    """

    verdict: Verdict
    name: str
    sha256: str
    size: int
    checked: datetime.datetime
    shots: tuple[Shot, ...]
    ledger: LedgerFinding | None


def gather(path: Path, verdict: Verdict, sha256: str, ledger: LedgerFinding | None) -> Evidence:
    """Collect the facts.

    Args:
        path: The file.
        verdict: From `verify_file`.
        sha256: From `digest_of`.
        ledger: From `look_up`, where a ledger was named.

    Raises:
        OSError: The file has gone meanwhile.
    """
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return Evidence(
        verdict=verdict,
        name=path.name,
        sha256=sha256,
        size=path.stat().st_size,
        checked=now,
        shots=_shots(path, verdict.media_type or ""),
        ledger=ledger,
    )


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex.

    Raises:
        OSError: It cannot be read.
    """
    return sha256_of(path)


def _shots(path: Path, media_type: str) -> tuple[Shot, ...]:
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
