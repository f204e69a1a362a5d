"""JPEG: ITU-T T.81; EXIF in APP1, ICC profile in APP2 (ICC.1:2022 annex B.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.media import exif
from edge.media.formats import FormatError, Header, rgb_profile
from edge.media.limits import MAX_ICC_BYTES, MAX_JPEG_SCANS

_TEM, _EOI, _SOS = 0x01, 0xD9, 0xDA
_APP0, _APP1, _APP2 = 0xE0, 0xE1, 0xE2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0-15 without DHT, JPG, DAC
_EXIF = b"Exif\x00\x00"
_ICC = b"ICC_PROFILE\x00"
_ICC_ROOM = 65_533 - len(_ICC) - 2

# The next marker that is no stuffed zero, restart or fill byte.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of every segment up to the end-of-image marker."""
    at = 2
    while True:
        # Entropy-coded data, and stray bytes between segments, which decoders skip too.
        found = _NEXT_MARKER.search(data, at)
        if found is None:
            raise FormatError("is truncated: the end of the JPEG is missing")
        at = found.end()
        marker = data[at - 1]
        if marker == _EOI:
            return
        if marker == _TEM:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            raise FormatError("is truncated: the end of the JPEG is missing")
        yield marker, data[at + 2 : at + size]
        at += size


def parse(data: bytes) -> Header:
    """Return what a whole JPEG says of itself; it is walked to its end-of-image marker.

    Raises:
        FormatError: It is truncated, damaged, without a frame header, or has too many scans.
    """
    size: tuple[int, int] | None = None
    turned = 1
    scans = components = 0
    profile: dict[int, bytes] = {}
    for marker, body in _segments(data):
        if marker in _FRAMES and size is None:
            if len(body) < 6:
                raise FormatError("is damaged: its JPEG frame header is too short")
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
            components = body[5]
        elif marker == _APP1 and body.startswith(_EXIF):
            turned = exif.orientation(body)
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
            profile[body[len(_ICC)]] = body[len(_ICC) + 2 :]
        elif marker == _SOS:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise FormatError(f"has more than {MAX_JPEG_SCANS} JPEG scans; save it anew")
    if size is None or not scans or 0 in size:
        raise FormatError("is damaged: it has no JPEG frame")
    icc = b"".join(profile[number] for number in sorted(profile))
    usable = components == 3 and len(icc) <= MAX_ICC_BYTES
    return Header(*size, orientation=turned, icc=rgb_profile(icc) if usable else None)


def with_icc(data: bytes, icc: bytes) -> bytes:
    """Return a JPEG with an ICC profile put behind its JFIF header.

    Args:
        data: A whole JPEG without profile.
        icc: The profile; at most 255 segments of 65,519 bytes.
    """
    parts = [icc[i : i + _ICC_ROOM] for i in range(0, len(icc), _ICC_ROOM)]
    segments = b"".join(
        b"\xff\xe2"
        + (len(_ICC) + 4 + len(part)).to_bytes(2, "big")
        + _ICC
        + bytes([number, len(parts)])
        + part
        for number, part in enumerate(parts, 1)
    )
    at = 2
    if data[2:4] == bytes([0xFF, _APP0]):
        at += 2 + int.from_bytes(data[4:6], "big")
    return data[:at] + segments + data[at:]
