"""The greatest pictures and videos that are read; what is over is refused before it is decoded.

These are the defaults; `limits.toml` can set others (edge/limits.py).
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_SIDE = 16
"""Pixels. No detector finds a face in less."""

MAX_SIDE = 16_383
"""Pixels. The greatest side that WebP can hold, so that what is read can also be written."""

MAX_PIXELS = 64_000_000
"""A frame of 192 MB; photographs of today's phones (50 megapixels) pass."""

MAX_PICTURE_BYTES = 256 * 1024 * 1024
"""Size of a picture's file; it is read into memory once."""

MAX_VIDEO_SIDE = 8_192
"""Pixels. The greatest side of H.264 level 6.2."""

MAX_VIDEO_PIXELS = 36_000_000
"""One frame of 8K video (7680x4320) passes."""

MAX_VIDEO_SECONDS = 24 * 3600.0
"""A day, as a file states it."""

MAX_VIDEO_FRAMES = 12_000_000
"""As they come out of the decoder: a day at 120 frames a second has 10.4 million."""

MAX_FRAME_RATE = 1_000.0
"""Frames a second; slow motion is filmed at up to 960."""

MAX_STREAMS = 64
"""Streams of a file. A film with sound and subtitles in every tongue has fewer."""

MAX_JPEG_SCANS = 100
"""Cameras and tools write at most about 12; more only costs the reader's time."""

MAX_ICC_BYTES = 4 * 1024 * 1024
"""A colour profile greater than this is left out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before decoding.

    Attributes:
        min_side: Least width and height, pixels.
        max_side: Greatest width and height, pixels.
        max_pixels: Greatest width times height.
        max_bytes: Greatest size of a picture's file, bytes.
    """

    min_side: int = MIN_SIDE
    max_side: int = MAX_SIDE
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_PICTURE_BYTES

    def complaint(self, width: int, height: int) -> str | None:
        """Return what is wrong with a size in pixels, as half a sentence, or None."""
        if min(width, height) < self.min_side:
            return f"{width}x{height} is too small: at least {self.min_side} pixels a side"
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            return (
                f"{width}x{height} is too large: at most {self.max_side} pixels a side and "
                f"{self.max_pixels / 1e6:g} megapixels; scale it down"
            )
        return None


@dataclass(frozen=True, slots=True)
class VideoLimits(Limits):
    """What is refused of a video; sizes are those of one frame.

    Attributes:
        max_seconds: Longest duration that the file may state.
        max_frames: Most frames that are decoded.
        max_rate: Most frames a second.
        max_streams: Most streams of all kinds.
    """

    max_side: int = MAX_VIDEO_SIDE
    max_pixels: int = MAX_VIDEO_PIXELS
    max_seconds: float = MAX_VIDEO_SECONDS
    max_frames: int = MAX_VIDEO_FRAMES
    max_rate: float = MAX_FRAME_RATE
    max_streams: int = MAX_STREAMS

    def complaint_of_time(self, seconds: float | None, rate: float | None) -> str | None:
        """Return what is wrong with a duration or a rate, as half a sentence, or None."""
        if seconds is not None and not 0 <= seconds <= self.max_seconds:
            return f"it states a length of {seconds:.4g} s: at most {self.max_seconds:g} s"
        if rate is not None and rate > self.max_rate:
            return f"it states {rate:.4g} frames a second: at most {self.max_rate:g}"
        return None


DEFAULT_LIMITS = Limits()
VIDEO_LIMITS = VideoLimits()
