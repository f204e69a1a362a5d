"""Is the space beside the signature as empty as C2PA wants it?

A signer leaves room in the signature's box, about 10 kB, and fills it with zeros. Neither the
signature nor the picture's hash covers that room, so a library that only asks those two calls a
file intact that had something written there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from edge.provenance import boxes, xmp
from edge.provenance.container import Kind

_LABEL = b"c2pa.signature\0"
_TAGGED_ARRAY = b"\xd2\x84"  # CBOR: COSE_Sign1, an array of four
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_MAX_DEPTH = 16
_PURPOSE_END = 1 + 8  # of C2PA's uuid box: the NUL after the purpose, and a file offset
_FULL_BOX = 4  # version and flags


def something_in_padding(path: Path, kind: Kind) -> bool:
    """Return whether the active signature's padding holds anything but zeros.

    Args:
        path: The file.
        kind: What it is.

    Returns:
        False too where no such padding is found: then there is nothing to write into.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        return any(any(padding) for padding in _paddings(_store(path, kind)))
    except (ValueError, IndexError, struct.error):
        return False  # malformed; the library says so


def _store(path: Path, kind: Kind) -> bytes:
    """Return the bytes of the manifest store in a file; empty where the kind is another."""
    if kind.boxes:
        return _from_boxes(path)
    if kind.media_type not in xmp.MEDIA_TYPES:
        return b""
    data = path.read_bytes()
    if kind.media_type == "image/jpeg":
        return _from_jpeg(data)
    if kind.media_type == "image/png":
        return b"".join(body for name, body in xmp.png_chunks(data) if name == b"caBX")
    return b"".join(body for name, body in xmp.riff_chunks(data) if name == b"C2PA")


def _from_jpeg(data: bytes) -> bytes:
    """Join the APP11 segments: JP, instance, number, and from the second on the box's head."""
    parts = []
    for marker, body in xmp.jpeg_segments(data):
        if marker == 0xEB and body[:2] == b"JP":
            parts.append(body[8:] if body[4:8] == b"\0\0\0\1" else body[16:])
    return b"".join(parts)


def _from_boxes(path: Path) -> bytes:
    with path.open("rb") as file:
        for box in boxes.walk(file, 0, path.stat().st_size):
            if box.uuid == boxes.C2PA_UUID:
                file.seek(box.start + _FULL_BOX)
                content = file.read(box.end - box.start - _FULL_BOX)
                return content[content.index(b"\0") + _PURPOSE_END :]
    return b""


def _paddings(store: bytes) -> Iterator[bytes]:
    """Yield the paddings of the last signature in the store, which is that of the active claim."""
    label = store.rfind(_LABEL)
    at = store.find(b"cbor", label)
    if label < 0 or at < 4:
        return
    end = at - 4 + int.from_bytes(store[at - 4 : at], "big")
    cose = store[at + 4 : end]
    if not cose.startswith(_TAGGED_ARRAY):
        return
    start = _skip(cose, len(_TAGGED_ARRAY))  # past the protected headers
    major, pairs, at = _head(cose, start)
    if major != _MAP:
        return
    for _ in range(pairs):
        key, value = at, _skip(cose, at)
        at = _skip(cose, value)
        major, length, begin = _head(cose, key)
        if major == _TEXT and cose[begin : begin + length].startswith(b"pad"):
            yield cose[_head(cose, value)[2] : at]


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument, and where the content of a CBOR item starts.

    Raises:
        ValueError: An item of unknown length, which C2PA does not use.
    """
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise ValueError("an item of unknown length")
    size = 1 << (short - 24)
    return major, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _skip(data: bytes, at: int, depth: int = 0) -> int:
    """Return where the CBOR item at `at` ends.

    Raises:
        ValueError: It is malformed, or nested too deep.
    """
    major, argument, at = _head(data, at)
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if major in {_BYTES, _TEXT}:
        at += argument
    elif major in {_ARRAY, _MAP, _TAG}:
        count = {_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}[major]
        for _ in range(count):
            at = _skip(data, at, depth + 1)
    if at > len(data):
        raise ValueError("it reaches past the end")
    return at
