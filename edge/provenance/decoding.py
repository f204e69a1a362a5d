"""Whether a file without a manifest decodes at all: a last look before calling it whole."""

from __future__ import annotations

import struct
from pathlib import Path

from edge.errors import EngineMissing
from edge.limits import device_limits
from edge.media.pyav import OPEN_OPTIONS, load_av, open_to_read, reason
from edge.media.quiet import captured_stderr
from edge.provenance import xmp
from edge.provenance.container import Kind

_MAX_PIXELS = 50_000_000
"""A larger picture is not decoded just to see whether it would: 50 megapixels are 150 MB."""

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG SOF markers


def dimensions(data: bytes, media_type: str) -> tuple[int, int]:
    """Return width and height that a JPEG, PNG or WebP states in its header.

    Raises:
        ValueError: It states none.
    """
    try:
        if media_type == "image/jpeg":
            for marker, body in xmp.jpeg_segments(data):
                if marker in _FRAME_HEADERS:
                    height, width = struct.unpack_from(">HH", body, 1)
                    return width, height
        elif media_type == "image/png":
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        else:
            for kind, body in xmp.riff_chunks(data):
                if kind == b"VP8X":
                    across, down = body[4:7], body[7:10]
                    return int.from_bytes(across, "little") + 1, int.from_bytes(down, "little") + 1
                if kind in {b"VP8 ", b"VP8L"}:
                    return xmp.webp_size(kind, body)[:2]
    except (struct.error, IndexError) as error:
        raise ValueError("its header is cut off") from error
    raise ValueError("its header states no size")


def undecodable(path: Path, kind: Kind) -> str | None:
    """Return why a picture or video cannot be decoded; None where it can, or is not tried.

    Raises:
        OSError: The file cannot be read.
    """
    if kind.media_type in xmp.MEDIA_TYPES:
        if path.stat().st_size > device_limits().picture.max_bytes:
            return None
        return _picture(path.read_bytes(), kind.media_type)
    if kind.media_type in {"video/mp4", "video/quicktime"}:
        return _video(path)
    return None


def _picture(data: bytes, media_type: str) -> str | None:
    import cv2
    import numpy as np

    try:
        width, height = dimensions(data, media_type)
    except ValueError as error:
        return str(error)
    if width * height > _MAX_PIXELS:
        return None
    with captured_stderr():
        try:
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            decoded = None
    return None if decoded is not None else "the picture does not decode"


def _video(path: Path) -> str | None:
    try:
        av = load_av()
    except EngineMissing:
        return None  # the box check has to do
    try:
        with open_to_read(av, path, OPEN_OPTIONS) as container:
            return None if len(container.streams) else "there is no stream in it"
    except (OSError, ValueError, av.FFmpegError) as error:
        return f"it does not open: {reason(error)}"
