"""From a picture of a source to a labelled, watermarked frame: the steps of the line.

This is the one way from a source to a recorder or a viewer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import cv2

from edge.faces.track import Steady
from edge.media.video_info import VideoFrame
from edge.provenance.label import Label
from edge.provenance.watermark.embed import VideoWatermark
from edge.provenance.watermark.identifier import watermark_id
from edge.records import region_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.live.leave import Leave
    from edge.live.sources.base import Taken
    from edge.records import Face, LabelPlace
    from edge.swap import Swapper

TICKS = 90_000
"""Ticks a second of the frames' clock, as in every MPEG transport."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A frame as it goes out.

    Attributes:
        frame: uint8 (H, W, 3) BGR, labelled and watermarked; nobody writes to it any more.
        index: Its number in the stream, from 0; frames that were dropped have none.
        at: When it was taken, as `time.monotonic` counts.
        faces: Faces that were swapped in it.
        place: Where its label stands.
        original: A small picture of it as it was taken, uint8 (h, w, 3) BGR, where somebody is
            shown beside themselves; else None.
    """

    frame: NDArray[np.uint8]
    index: int
    at: float
    faces: int
    place: LabelPlace
    original: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    taken: Taken
    faces: tuple[Face, ...]
    original: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """Label and watermark for frames of one size."""

    size: tuple[int, int]
    label: Label
    watermark: VideoWatermark


class Pipeline:
    """The steps of a live stream's frames, each run in a thread of its own.

    Attributes:
        stream: The stream's id, `urn:uuid:...`, which the watermark in every frame is of.
    """

    def __init__(self, swapper: Swapper, leave: Leave, rate: float, *, beside: bool) -> None:
        """Start before the first frame.

        Args:
            swapper: Who is swapped in, and with what.
            leave: Leave to go on.
            rate: Frames a second, as the source says.
            beside: Whether a small original goes along, for an operator who is in the picture.
        """
        self._swapper, self._leave, self._beside = swapper, leave, beside
        self.stream = uuid.uuid4().urn
        self._follower, self._steady = swapper.follower(), Steady()
        self._judge = swapper.gates.watch(rate)
        self._marks: _Marks | None = None
        self._first: float | None = None
        self._index = 0

    def look(self, taken: Taken) -> _Seen:
        """Judge a picture, and find its faces."""
        if self._first is None:
            self._first = taken.at
        if self._swapper.gates:
            ticks = round((taken.at - self._first) * TICKS)
            frame = VideoFrame(taken.frame, ticks, Fraction(1, TICKS), self._index)
            self._judge.see(frame, "the live picture")
        original = _small(taken.frame) if self._beside else None
        faces = self._steady.update(self._follower.update(taken.frame))
        return _Seen(taken, faces, original)

    def swap(self, seen: _Seen) -> Shown | None:
        """Swap the faces, label and mark; None where there is no leave any more."""
        frame = seen.taken.frame
        marks = self._marks_for(frame, seen.faces)
        self._swapper._swap_into(frame, seen.faces)
        marks.label.draw(frame)
        marks.watermark.draw(frame)
        if not self._leave.covers_now():
            return None
        index, self._index = self._index, self._index + 1
        return Shown(frame, index, seen.taken.at, len(seen.faces), marks.label.place, seen.original)

    def _marks_for(self, frame: NDArray[np.uint8], faces: tuple[Face, ...]) -> _Marks:
        """Return label and watermark; the label never moves while frames keep their size."""
        height, width = frame.shape[:2]
        if self._marks is None or self._marks.size != (width, height):
            place = self._swapper.plan_label(frame, [region_of(face) for face in faces])
            identifier = watermark_id(self.stream)
            mark = VideoWatermark(identifier, width, height)
            self._marks = _Marks((width, height), Label(place), mark)
        return self._marks


BESIDE_WIDTH = 240
"""Width of an original beside the stream, pixels: enough to see oneself, useless as a camera."""


def _small(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    size = (BESIDE_WIDTH, max(1, round(height * BESIDE_WIDTH / width)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.uint8]", small)
