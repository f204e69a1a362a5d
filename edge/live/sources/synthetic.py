"""A camera that is none: somebody who is nobody, moving, so that all can be tried without hardware.

A row of black and white cells at the top holds the frame's number and the time at which it was
taken, so that whoever sees the picture can tell how old it is: `read_counter`.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge import resources
from edge.errors import MediaError
from edge.live.sources.base import Kind, Taken, Wanted
from edge.media.image import read_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = "sample-one.jpg"
"""One rendered person; her face's centre and size below are of this picture."""

BITS = 16
"""Bits of the number, and as many of the time in milliseconds; both begin again at 65,536."""

_FACE = (894.0, 485.0)  # pixels in the sample
_VIEW = 1150.0  # pixels of the sample that are as wide as a frame
_CELLS = 2 * BITS
_COLUMNS = 80  # cells in a frame's width, so that a cell of 640x360 is one of 8 pixels
_TOP = 0.5  # cells from the top edge


class SyntheticCamera:
    """A rendered person who sways, nods and comes nearer, at a camera's pace.

    Args:
        wanted: Size and rate.
    """

    kind: Kind = "synthetic"

    def __init__(self, wanted: Wanted) -> None:
        """Read the sample.

        Raises:
            MediaError: The installation lacks it.
        """
        path = resources.samples_dir() / SAMPLE
        if not path.exists():
            raise MediaError(f"{path}: the shipped sample is missing; install again")
        self.name = "synthetic camera"
        self.rate = wanted.rate
        self._size = (wanted.width, wanted.height)
        self._sample = read_picture(path).frame
        self._start: float | None = None
        self._number = -1
        self._woken = threading.Event()

    def read(self) -> Taken | None:
        """Wait for the next picture's moment, and draw it; see `Source`."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        # A camera does not wait for whoever is late: numbers are left out then.
        self._number = max(self._number + 1, int((now - self._start) * self.rate))
        due = self._start + self._number / self.rate
        if self._woken.wait(max(0.0, due - now)):
            return None
        at, clock = time.monotonic(), time.time()
        frame = self._draw(self._number / self.rate)
        draw_counter(frame, self._number, int(clock * 1000))
        return Taken(frame, at)

    def wake(self) -> None:
        """See `Paced`."""
        self._woken.set()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _draw(self, seconds: float) -> NDArray[np.uint8]:
        width, height = self._size
        turn = 3.0 * math.sin(seconds * 1.1)
        scale = width / (_VIEW * (1.0 + 0.12 * math.sin(seconds * 0.7)))
        matrix = cv2.getRotationMatrix2D(_FACE, turn, scale)
        matrix[0, 2] += width * (0.5 + 0.11 * math.sin(seconds * 0.9)) - _FACE[0]
        matrix[1, 2] += height * (0.52 + 0.04 * math.sin(seconds * 1.7)) - _FACE[1]
        drawn = cv2.warpAffine(
            self._sample, matrix, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return cast("NDArray[np.uint8]", drawn)


def draw_counter(frame: NDArray[np.uint8], number: int, milliseconds: int) -> None:
    """Draw a frame's number and time into it, in place: see `read_counter`.

    Args:
        frame: uint8 (H, W, 3) BGR, at least 80 pixels wide.
        number: From 0.
        milliseconds: Of the clock.
    """
    cell, left, top = _place(frame)
    value = (number & 0xFFFF) << BITS | (milliseconds & 0xFFFF)
    frame[top - top // 2 : top + cell + top // 2, left - cell : left + (_CELLS + 1) * cell] = 128
    for place in range(_CELLS):
        white = value >> (_CELLS - 1 - place) & 1
        x = left + place * cell
        frame[top : top + cell, x : x + cell] = 255 if white else 0


def read_counter(frame: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the number of a frame of the synthetic camera, and its time in milliseconds.

    Both are what is left of a division by 65,536. The picture may have been compressed.

    Args:
        frame: uint8 (H, W, 3) BGR, of the size that was drawn.
    """
    cell, left, top = _place(frame)
    value = 0
    for place in range(_CELLS):
        x = left + place * cell
        inner = frame[
            top + cell // 4 : top + cell - cell // 4, x + cell // 4 : x + cell - cell // 4
        ]
        value = value << 1 | int(inner.mean() > 128)
    return value >> BITS, value & 0xFFFF


def _place(frame: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the side of a cell, and the left and top edges of the first, in pixels."""
    width = frame.shape[1]
    cell = max(1, width // _COLUMNS)
    return cell, (width - _CELLS * cell) // 2, max(1, int(cell * _TOP))
