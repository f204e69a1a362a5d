"""AVIF: ISO/IEC 23008-12 boxes. Read only, where OpenCV was built with AVIF."""

from __future__ import annotations

from collections.abc import Iterator

from edge.media.formats import FormatError, Header

# irot counts quarter turns against the clock; imir mirrors about an axis. As EXIF orientation,
# with rotation first and mirror after it (the order that MIAF asks for).
_ROTATED = {0: 1, 1: 8, 2: 3, 3: 6}
_MIRRORED = {  # (orientation after irot, imir axis): 0 = top to bottom, 1 = left to right
    (1, 0): 4,
    (8, 0): 5,
    (3, 0): 2,
    (6, 0): 7,
    (1, 1): 2,
    (8, 1): 7,
    (3, 1): 4,
    (6, 1): 5,
}


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of the boxes that `data` is made of."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            raise FormatError("is truncated: a box of the AVIF reaches past its end")
        yield data[at + 4 : at + 8], data[at + head : at + size]
        at += size


def _inside(data: bytes, kind: bytes) -> bytes:
    for found, body in _boxes(data):
        if found == kind:
            return body
    raise FormatError(f"is damaged: the AVIF has no box '{kind.decode('ascii')}'")


def parse(data: bytes) -> Header:
    """Return what an AVIF says of itself: how it is turned, the greatest of its sizes and depths.

    Raises:
        FormatError: It is truncated or damaged.
    """
    properties = _inside(_inside(_inside(data, b"meta")[4:], b"iprp"), b"ipco")
    width = height = bits = 0
    turned, axis = 1, None
    for kind, body in _boxes(properties):
        if kind == b"ispe" and len(body) >= 12:
            width = max(width, int.from_bytes(body[4:8], "big"))
            height = max(height, int.from_bytes(body[8:12], "big"))
        elif kind == b"irot" and body:
            turned = _ROTATED[body[0] & 3]
        elif kind == b"imir" and body:
            axis = body[0] & 1
        elif kind == b"av1C" and len(body) >= 3:
            bits = max(bits, _depth(body[2]))
    if not width or not height:
        raise FormatError("is damaged: the AVIF has no size")
    if axis is not None:
        turned = _MIRRORED[turned, axis]
    return Header(width, height, orientation=turned, bits=bits)


def _depth(flags: int) -> int:
    """Return bits a sample by the third byte of an AV1 configuration (AV1-ISOBMFF 2.3.3)."""
    if not flags & 0x40:  # high_bitdepth
        return 8
    return 12 if flags & 0x20 else 10  # twelve_bit
