"""PNG: W3C PNG (third edition); EXIF in eXIf, ICC profile in iCCP."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from edge.media import exif
from edge.media.formats import FormatError, Header, rgb_profile
from edge.media.limits import MAX_ICC_BYTES

_SIGNATURE = 8
_GREY = 0
_RGB = frozenset({2, 3, 6})


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield type, offset and body of every chunk up to IEND."""
    at = _SIGNATURE
    view = memoryview(data)
    while True:
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + size
        if len(kind) < 4 or end > len(data):
            raise FormatError("is truncated: the end of the PNG is missing")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise FormatError("is damaged: a checksum of the PNG does not fit")
        if kind == b"IEND":
            return
        yield kind, at, b"" if kind == b"IDAT" else data[at + 8 : end - 4]
        at = end


def parse(data: bytes) -> Header:
    """Return what a whole PNG says of itself; every chunk's checksum is verified.

    Raises:
        FormatError: It is truncated, damaged, or animated.
    """
    size: tuple[int, int] | None = None
    depth = colour = 0
    turned = 1
    icc: bytes | None = None
    clear: int | None = None
    pixels = False
    for kind, _, body in _chunks(data):
        if size is None:
            if kind != b"IHDR" or len(body) != 13:
                raise FormatError("is damaged: the PNG header is missing")
            size = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
            depth, colour = body[8], body[9]
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"acTL":
            raise FormatError("is an animated PNG; export one picture of it")
        elif kind == b"eXIf":
            turned = exif.orientation(body)
        elif kind == b"iCCP" and colour in _RGB:
            icc = _profile(body)
        elif kind == b"tRNS" and colour == _GREY and len(body) >= 2:
            clear = int.from_bytes(body[:2], "big") * {1: 255, 2: 85, 4: 17}.get(depth, 1)
    if size is None or not pixels or 0 in size:
        raise FormatError("is damaged: it holds no PNG pixels")
    return Header(*size, orientation=turned, icc=icc, clear_grey=clear)


def _profile(body: bytes) -> bytes | None:
    _, _, rest = body.partition(b"\x00")
    inflater = zlib.decompressobj()
    try:
        icc = inflater.decompress(rest[1:], MAX_ICC_BYTES + 1)
    except zlib.error:
        return None
    return rgb_profile(icc) if len(icc) <= MAX_ICC_BYTES else None


def with_icc(data: bytes, icc: bytes) -> bytes:
    """Return a PNG with an ICC profile put behind its header.

    Args:
        data: A whole PNG without colour chunks.
        icc: The profile.
    """
    body = b"iCCPICC profile\x00\x00" + zlib.compress(icc, 9)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    at = _SIGNATURE + 25  # IHDR is always 13 bytes and comes first
    return data[:at] + chunk + data[at:]
