"""Put the watermark into frames: stronger where the picture hides it, never above a fixed error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.provenance.watermark.pattern import tile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIMILARITY_LOSS = 0.016
"""How much of the local structural similarity (SSIM) the mark may take."""

ERROR = 3.75
"""Mean squared error that the mark may make, levels squared: 42.4 dB PSNR."""

NOMINAL = 1080
"""Shorter side, pixels, that the tile is made for; twice that size has a tile twice as large."""

_C2 = (0.03 * 255) ** 2  # the constant that keeps SSIM finite in flat areas (Wang et al. 2004)
_BLOCK = 8
_WAVE_UNITS = 24  # of the pattern's whole numbers; its largest value, 4 or so, fits into 8 bits
_GAIN_UNITS = 24


def pixel_of(width: int, height: int) -> int:
    """Return how many pixels wide a nominal pixel of the mark is in a frame of this size."""
    return max(1, round(min(width, height) / NOMINAL))


class Watermark:
    """Marks frames of one size with one id.

    Args:
        identifier: 0 to 2^64 - 1.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
    """

    def __init__(self, identifier: int, width: int, height: int) -> None:
        self.identifier = identifier
        self._size = (width, height)
        tile = np.round(tile_of(identifier, pixel_of(width, height)) * _WAVE_UNITS)
        shape = (-(-height // tile.shape[0]), -(-width // tile.shape[1]))
        whole = [np.clip(sign * tile, 0, 255).astype(np.uint8) for sign in (1, -1)]
        self._up, self._down = (np.tile(part, shape)[:height, :width].copy() for part in whole)

    def draw(self, frame: NDArray[np.uint8]) -> None:
        """Put the mark into `frame`, in place.

        Args:
            frame: uint8 (H, W, 3) BGR, a private copy of ours and never the caller's array.
        """
        gains = np.round(strengths(frame) * _GAIN_UNITS).clip(0, 255).astype(np.uint8)
        gain = cv2.resize(gains, self._size, interpolation=cv2.INTER_LINEAR)
        scale = 1 / (_GAIN_UNITS * _WAVE_UNITS)
        up, down = (cv2.multiply(gain, part, scale=scale) for part in (self._up, self._down))
        cv2.add(frame, cv2.cvtColor(up, cv2.COLOR_GRAY2BGR), dst=frame)
        cv2.subtract(frame, cv2.cvtColor(down, cv2.COLOR_GRAY2BGR), dst=frame)


def strengths(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the standard deviation that the mark may have, per block of 8 x 8 pixels, levels.

    A mark of variance m in an area of variance v takes m / (2 v + C2) of SSIM, about. What that
    allows is cut off at a level which keeps the mean squared error within `ERROR`.

    Args:
        frame: uint8 (H, W, 3) BGR.
    """
    luma = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[::2, ::2].astype(np.float32)
    size = (-(-frame.shape[1] // _BLOCK), -(-frame.shape[0] // _BLOCK))
    mean = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    square = cv2.resize(luma * luma, size, interpolation=cv2.INTER_AREA)
    variance = np.maximum(square - mean * mean, 0)
    calm = cv2.erode(variance, np.ones((3, 3), np.uint8))  # the flat side of an edge is flat
    power = SIMILARITY_LOSS * (2 * calm + _C2)
    return np.sqrt(np.minimum(power, _ceiling(power)))


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
