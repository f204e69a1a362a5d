"""Put the watermark into frames: stronger where the picture hides it, never above a fixed error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from edge.provenance.watermark.identifier import watermark_id
from edge.provenance.watermark.pattern import tile_of
from edge.rounding import product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge.records import SwapRecord

PICTURE_LOSS = 0.010
"""How much of the structural similarity (SSIM) the mark may take in calm parts of a picture."""

VIDEO_LOSS = 0.016
"""The same for frames of a video: its encoder takes more of the mark than that of a picture."""

ERROR = 3.75
"""Mean squared error that the mark may make, levels squared: 42.4 dB PSNR."""

NOMINAL = 1080
"""Shorter side, pixels, that the tile is made for; twice that size has a tile twice as large."""

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # constants of SSIM (Wang et al. 2004)
_AS_MEAN = 0.6  # share of the mark that an SSIM window of 7 to 11 pixels sees as a change of mean
_LIVELY = 50.0  # variance from which on a block hides more than SSIM tells
_BLOCK = 8
_SPARSE = 16  # every such pixel of a frame is compared with the one before
_STIR = 40  # levels by which a part of 128 pixels may change on average, and count as still
_BAND = 160  # rows that are looked at together, so that little memory is used; a multiple of 8
# Of the whole numbers for pattern and gain. The pattern's largest value, 4 or so, fits into 8 bits;
# both are odd, so that no product lies half-way between two levels.
_WAVE_UNITS = 23
_GAIN_UNITS = 25


def pixel_of(width: int, height: int) -> int:
    """Return how many pixels wide a nominal pixel of the mark is in a frame of this size."""
    return max(1, round(min(width, height) / NOMINAL))


class Watermark:
    """Marks frames of one size with one id.

    Args:
        identifier: 16 hex digits.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
        loss: `PICTURE_LOSS` or `VIDEO_LOSS`.
    """

    def __init__(
        self, identifier: str, width: int, height: int, loss: float = PICTURE_LOSS
    ) -> None:
        self.identifier = identifier
        self._loss = loss
        tile = np.round(tile_of(identifier, pixel_of(width, height)) * _WAVE_UNITS)
        self._rows = len(tile)
        parts = (np.abs(tile).clip(0, 255), np.where(tile > 0, 255, 0), np.where(tile < 0, 255, 0))
        # One row of tiles is enough: the picture is marked in bands that are as high.
        times = -(-width // self._rows)
        self._size, self._up, self._down = (
            np.tile(part.astype(np.uint8), (1, times))[:, :width].copy() for part in parts
        )

    def draw(self, frame: NDArray[np.uint8]) -> None:
        """Put the mark into `frame`, in place.

        Args:
            frame: uint8 (H, W, 3) BGR, a private copy of ours and never the caller's array; as wide
                as was said.
        """
        for place, change in enumerate(self._changes(frame)):
            band = frame[place * self._rows : (place + 1) * self._rows]
            for part, put in ((self._up, cv2.add), (self._down, cv2.subtract)):
                grey = cv2.bitwise_and(change, part[: len(band)])
                put(band, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dst=band)

    def forget(self) -> None:
        """Let the next frame depend on no frame before it."""

    def _changes(self, frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Yield by how much each pixel is to change, band by band: uint8 (rows, W), up or down."""
        gains = np.round(strengths(frame, self._loss) * _GAIN_UNITS).clip(0, 255).astype(np.uint8)
        gains = np.pad(gains, ((1, 1), (0, 0)), "edge")
        unit = _GAIN_UNITS * _WAVE_UNITS
        for top in range(0, frame.shape[0], self._rows):
            rows, columns = frame[top : top + self._rows].shape[:2]
            yield product(_enlarged(gains, top, rows)[:, :columns], self._size[:rows], unit)


class VideoWatermark(Watermark):
    """Marks the frames of a video with one id, one after another.

    What a frame hides is looked at in every second frame; the one after it is marked alike. Where
    the picture changed meanwhile, as at a cut, it is looked at anew.
    """

    def __init__(self, identifier: str, width: int, height: int) -> None:
        super().__init__(identifier, width, height, VIDEO_LOSS)
        self._kept: list[NDArray[np.uint8]] = []
        self._seen: NDArray[np.uint8] | None = None

    def forget(self) -> None:
        """Let the next frame depend on no frame before it; see `Watermark.forget`."""
        self._seen = None

    def _changes(self, frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        glance = _glance(frame)
        if self._seen is not None and _alike(self._seen, glance):
            self._seen = None  # once is enough: the next frame is looked at again
        else:
            self._kept, self._seen = list(super()._changes(frame)), glance
        yield from self._kept


def _glance(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of every sixteenth pixel."""
    rows = cv2.cvtColor(frame[::_SPARSE], cv2.COLOR_BGR2GRAY)
    return cast("NDArray[np.uint8]", rows[:, ::_SPARSE])


def _alike(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Return whether no part of the picture changed by more than a little."""
    if before.shape != now.shape:
        return False
    difference = cv2.absdiff(before, np.ascontiguousarray(now))
    cells = (-(-now.shape[1] // _BLOCK), -(-now.shape[0] // _BLOCK))
    return bool(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA).max() <= _STIR)


def _enlarged(gains: NDArray[np.uint8], top: int, rows: int) -> NDArray[np.uint8]:
    """Return the gains of a band of pixels, from those of blocks with one more row at both ends."""
    first = top // _BLOCK
    part = gains[first : first + -(-rows // _BLOCK) + 2]
    size = (part.shape[1] * _BLOCK, part.shape[0] * _BLOCK)
    whole = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return cast("NDArray[np.uint8]", whole[_BLOCK : _BLOCK + rows])


def watermark_for(record: SwapRecord, width: int, height: int) -> Watermark:
    """Return the watermark of an output, for frames of `width` x `height` pixels."""
    identifier = watermark_id(record.marked_as)
    if record.permit.medium == "picture":
        return Watermark(identifier, width, height)
    return VideoWatermark(identifier, width, height)


def strengths(frame: NDArray[np.uint8], loss: float = PICTURE_LOSS) -> NDArray[np.float32]:
    """Return the standard deviation that the mark may have, per block of 8 x 8 pixels, levels.

    A mark of variance m in an area of mean u and variance v takes about m / (2 v + C2) of SSIM
    and, as its longer waves move the means, 0.6 m / (2 u^2 + C1), which counts near black. What
    that allows is cut off at a level which keeps the mean squared error within `ERROR`. In white
    only the mark's dark half can be, so that it may be stronger.

    Args:
        frame: uint8 (H, W, 3) BGR.
        loss: Of SSIM in calm parts; in lively ones, which hide more, twice that.
    """
    bands = range(0, frame.shape[0], _BAND)
    moments = [_moments(frame[top : top + _BAND]) for top in bands]
    mean, square = (np.concatenate(part) for part in zip(*moments, strict=True))
    variance = np.maximum(square - mean * mean, 0)
    calm = cv2.erode(variance, np.ones((3, 3), np.uint8))  # the flat side of an edge is flat
    loss_here = loss * (1 + calm / (calm + _LIVELY)) * (1 + np.clip((mean - 250) / 5, 0, 1))
    power = loss_here / (1 / (2 * calm + _C2) + _AS_MEAN / (2 * mean * mean + _C1))
    return cast("NDArray[np.float32]", np.sqrt(np.minimum(power, _ceiling(power))))


def _moments(band: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of the luma and of its square, per block; every fourth pixel tells enough."""
    height, width = band.shape[:2]
    luma: NDArray[Any] = cv2.cvtColor(band[::2], cv2.COLOR_BGR2GRAY)[:, ::2].astype(np.float32)
    down, right = -height % _BLOCK // 2, -width % _BLOCK // 2
    if down or right:
        luma = cv2.copyMakeBorder(luma, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return _quartered(luma), _quartered(cv2.multiply(luma, luma))


def _quartered(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the means of 4 x 4 values, in two steps: OpenCV is fast at 2 x 2, and both exact."""
    for _ in range(2):
        size = (values.shape[1] // 2, values.shape[0] // 2)
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.float32]", values)


def _ceiling(power: NDArray[np.float32]) -> float:
    """Return the level at which to cut `power` off so that its mean is `ERROR` at most."""
    low, high = 0.0, float(power.max())
    if float(power.mean()) <= ERROR:
        return high
    for _ in range(14):
        middle = (low + high) / 2
        over = float(np.minimum(power, middle).mean()) > ERROR
        low, high = (low, middle) if over else (middle, high)
    return low
