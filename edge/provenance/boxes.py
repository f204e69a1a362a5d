"""A small reader for the boxes of MP4, MOV, HEIC and AVIF files; it trusts no length in them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Extended type of the `uuid` box that holds a C2PA manifest store."""

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

_MAX_BOXES = 20_000
"""At one level; a day of video in segments of ten seconds has 17,000. The C2PA library's time grows
with the square of their number: 20,000 take a second, 100,000 half a minute."""

_MAX_METADATA = 1 << 20


class TooManyBoxes(ValueError):
    """A file has more boxes than anybody should look into."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the file.

    Attributes:
        kind: Four-character type.
        uuid: Extended type of a `uuid` box, else empty.
        start: First byte of the content.
        end: First byte after the box.
    """

    kind: bytes
    uuid: bytes
    start: int
    end: int


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets.

    Raises:
        ValueError: A box reaches past its parent, or there are absurdly many.
    """
    at = start
    for _ in range(_MAX_BOXES):
        if at >= end:
            return
        file.seek(at)
        head = file.read(32)
        if len(head) < 8 or at + 8 > end:
            raise ValueError(f"stray bytes at {at}")
        size, kind = struct.unpack_from(">I4s", head)
        body = at + 8
        if size == 1:
            if len(head) < 16:
                raise ValueError(f"box '{kind.decode('latin-1')}' at {at} is cut off")
            (size,) = struct.unpack_from(">Q", head, 8)
            body += 8
        elif size == 0:
            size = end - at
        uuid = b""
        if kind == b"uuid":
            uuid = head[body - at : body - at + 16]
            body += 16
        if at + size > end or at + size < body:
            raise ValueError(f"box '{kind.decode('latin-1')}' at {at} reaches past the end")
        yield Box(kind, uuid, body, at + size)
        at += size
    raise TooManyBoxes("too many boxes")


def are_too_many(path: Path) -> bool:
    """Return whether a file has more boxes than anybody should look into.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            for _ in walk(file, 0, end):
                pass
    except TooManyBoxes:
        return True
    except ValueError:
        return False
    return False


def find(file: BinaryIO, start: int, end: int, *path: bytes) -> Box | None:
    """Return the first box under the path of types, or None."""
    for box in walk(file, start, end):
        if box.kind == path[0]:
            if len(path) == 1:
                return box
            inner = find(file, _children(file, box), box.end, *path[1:])
            if inner is not None:
                return inner
    return None


def _children(file: BinaryIO, box: Box) -> int:
    """Return where the boxes inside `box` begin: `meta` has 4 bytes more in MP4, not in MOV."""
    if box.kind != b"meta":
        return box.start
    file.seek(box.start)
    head = file.read(8)
    return box.start if head[4:8] == b"hdlr" else box.start + 4


def metadata(file: BinaryIO, size: int) -> dict[str, str]:
    """Return the named text metadata (keys and ilst) of `moov/udta/meta` and `moov/meta`.

    Raises:
        ValueError: The boxes are malformed.
    """
    found: dict[str, str] = {}
    for path in ((b"moov", b"udta", b"meta"), (b"moov", b"meta")):
        meta = find(file, 0, size, *path)
        if meta is None:
            continue
        inside = _children(file, meta)
        keys, values = (find(file, inside, meta.end, kind) for kind in (b"keys", b"ilst"))
        if keys is None or values is None:
            continue
        names = _key_names(_content(file, keys))
        for item in walk(file, values.start, values.end):
            (index,) = struct.unpack(">I", item.kind)
            data = find(file, item.start, item.end, b"data")
            if data is not None and 1 <= index <= len(names):
                text = _content(file, data)[8:]  # after type and locale
                found.setdefault(names[index - 1], text.decode("utf-8", "replace"))
    return found


def xmp(file: BinaryIO, size: int) -> bytes | None:
    """Return the XMP packet of a top-level `uuid` box, or None.

    Raises:
        ValueError: The boxes are malformed.
    """
    for box in walk(file, 0, size):
        if box.uuid == XMP_UUID:
            return _content(file, box)
    return None


def _content(file: BinaryIO, box: Box) -> bytes:
    if box.end - box.start > _MAX_METADATA:
        raise ValueError(f"box {box.kind!r} is over 1 MB")
    file.seek(box.start)
    return file.read(box.end - box.start)


def _key_names(content: bytes) -> list[str]:
    try:
        (count,) = struct.unpack_from(">I", content, 4)
        at, names = 8, []
        for _ in range(min(count, 1000)):
            (size,) = struct.unpack_from(">I", content, at)
            if size < 8 or at + size > len(content):
                raise ValueError("the list of metadata keys is malformed")
            names.append(content[at + 8 : at + size].decode("utf-8", "replace"))
            at += size
    except struct.error as error:
        raise ValueError("the list of metadata keys is malformed") from error
    return names
