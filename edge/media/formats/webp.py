"""WebP: RFC 9649; EXIF and ICC profile in chunks of the extended format."""

from __future__ import annotations

from collections.abc import Iterator

from edge.media import exif
from edge.media.formats import FormatError, Header, rgb_profile
from edge.media.limits import MAX_ICC_BYTES

_ICC_FLAG, _ALPHA_FLAG = 0x20, 0x10


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of every chunk."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise FormatError("is truncated: the end of the WebP is missing")
    at = 12
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            raise FormatError("is truncated: a chunk of the WebP reaches past its end")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _lossy_size(body: bytes) -> tuple[int, int]:
    # RFC 6386 section 9.1: three bytes of frame tag, start code, then 14-bit sides.
    if len(body) < 10 or body[3:6] != b"\x9d\x01\x2a":
        raise FormatError("is damaged: its WebP frame header is wrong")
    return (
        int.from_bytes(body[6:8], "little") & 0x3FFF,
        int.from_bytes(body[8:10], "little") & 0x3FFF,
    )


def _lossless_size(body: bytes) -> tuple[int, int]:
    # RFC 9649 section 3.4: a signature byte, then 14 bits of each side less one.
    if len(body) < 5 or body[0] != 0x2F:
        raise FormatError("is damaged: its WebP frame header is wrong")
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(body: bytes) -> tuple[int, int]:
    if len(body) < 10:
        raise FormatError("is damaged: its WebP header is too short")
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def parse(data: bytes) -> Header:
    """Return what a whole WebP says of itself.

    The size is that of the canvas or of the coded frame, whichever is greater: the decoder makes
    room for either.

    Raises:
        FormatError: It is truncated, damaged, or animated.
    """
    sizes: list[tuple[int, int]] = []
    pixels = False
    turned = 1
    icc: bytes | None = None
    for kind, body in _chunks(data):
        if kind == b"VP8X":
            sizes.append(_canvas_size(body))
        elif kind in {b"VP8 ", b"VP8L"} and not pixels:
            sizes.append(_lossy_size(body) if kind == b"VP8 " else _lossless_size(body))
            pixels = True
        elif kind in {b"ANIM", b"ANMF"}:
            raise FormatError("is an animated WebP; export one picture of it")
        elif kind == b"EXIF":
            turned = exif.orientation(body)
        elif kind == b"ICCP" and len(body) <= MAX_ICC_BYTES:
            icc = rgb_profile(body)
    if not pixels:
        raise FormatError("is damaged: it holds no WebP pixels")
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    return Header(width, height, orientation=turned, icc=icc)


def with_icc(data: bytes, icc: bytes) -> bytes:
    """Return a WebP with an ICC profile, in the extended format that a profile needs.

    Args:
        data: A whole, still WebP without profile, simple or extended.
        icc: The profile.
    """
    header = parse(data)
    chunks = list(_chunks(data))
    flags = _ICC_FLAG
    for kind, body in chunks:
        if kind == b"VP8X":
            flags |= body[0]
        elif kind == b"ALPH" or (kind == b"VP8L" and body[4] & 0x10):  # alpha_is_used bit
            flags |= _ALPHA_FLAG
    canvas = (header.width - 1).to_bytes(3, "little") + (header.height - 1).to_bytes(3, "little")
    rest = [(kind, body) for kind, body in chunks if kind not in {b"VP8X", b"ICCP"}]
    whole = b"".join(
        kind + len(body).to_bytes(4, "little") + body + b"\x00" * (len(body) % 2)
        for kind, body in [(b"VP8X", bytes([flags, 0, 0, 0]) + canvas), (b"ICCP", icc), *rest]
    )
    return b"RIFF" + (len(whole) + 4).to_bytes(4, "little") + b"WEBP" + whole
