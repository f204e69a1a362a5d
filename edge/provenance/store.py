"""Where a file keeps its C2PA manifest store, byte for byte, so that it can be read and mended.

C2PA hashes everything but the store, so that bytes inside the store can be replaced by as many
others without a change of what was signed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge.provenance import boxes
from edge.provenance.container import SEGMENT_HEAD, Kind, begins_store, continues_store

_PURPOSE_END = 1 + 8  # of C2PA's uuid box: the NUL after the purpose, and a file offset
_FULL_BOX = 4  # version and flags
_FIRST_HEAD, _NEXT_HEAD = 8, 16  # of an APP11 segment: JP, instance, number; then the box's head
_MAX_STORE = 64 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the store.

    Attributes:
        start: Its first byte in the file.
        size: How many bytes of the store stand there.
        chunk: Where the PNG chunk around it starts, whose checksum follows it; else -1.
    """

    start: int
    size: int
    chunk: int = -1


def can_read(kind: Kind) -> bool:
    """Return whether the stores of such files are read here; the C2PA library reads more kinds."""
    return kind.boxes or kind.media_type in _READERS


def pieces(file: BinaryIO, kind: Kind) -> tuple[Piece, ...]:
    """Return the pieces of a file's manifest store, in its order; none where none is read.

    Args:
        file: The file, open for reading.
        kind: What it is.

    Raises:
        ValueError: The container is malformed.
        OSError: The file cannot be read.
    """
    if not can_read(kind):
        return ()
    find = _READERS.get(kind.media_type, _in_boxes)
    file.seek(0, 2)
    try:
        return tuple(find(file, file.tell()))
    except (struct.error, IndexError) as error:
        raise ValueError("the file ends within its own structure") from error


def read_store(path: Path, kind: Kind) -> bytes:
    """Return the bytes of a file's manifest store; empty where there is none.

    Raises:
        ValueError: The container is malformed.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return b"".join(_read(file, piece) for piece in pieces(file, kind))


def replace_in_store(path: Path, kind: Kind, at: int, content: bytes) -> None:
    """Write `content` over as many bytes of a file's store; nothing else in the file changes.

    Args:
        path: The file, which is edited where it is: give a temporary one.
        kind: What it is.
        at: Offset in the store.
        content: The new bytes.

    Raises:
        ValueError: The container is malformed, or the store ends before the content does.
        OSError: The file cannot be written.
    """
    with path.open("r+b") as file:
        offset, left = 0, memoryview(content)
        for piece in pieces(file, kind):
            skip = at - offset
            if left and 0 <= skip < piece.size:
                part = left[: piece.size - skip]
                file.seek(piece.start + skip)
                file.write(part)
                left, at = left[len(part) :], at + len(part)
                _mend_checksum(file, piece)
            offset += piece.size
        if left:
            raise ValueError("the store ends before the new content does")


def _read(file: BinaryIO, piece: Piece) -> bytes:
    if piece.size > _MAX_STORE:
        raise ValueError("the manifest store is over 64 MB")
    file.seek(piece.start)
    return file.read(piece.size)


def _mend_checksum(file: BinaryIO, piece: Piece) -> None:
    if piece.chunk < 0:
        return
    file.seek(piece.chunk + 4)
    body = file.read(4 + piece.size)
    file.seek(piece.start + piece.size)
    file.write(struct.pack(">I", zlib.crc32(body)))


def _head(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _in_jpeg(file: BinaryIO, end: int) -> Iterator[Piece]:
    """Yield the APP11 segments of the store; from the second on each repeats the box's head."""
    at, first = 2, b""
    while at + 4 <= end:
        marker, length = struct.unpack(">HH", _head(file, at, 4))
        if marker == 0xFFFF:  # fill byte
            at += 1
            continue
        if marker >> 8 != 0xFF or marker in {0xFFDA, 0xFFD9}:
            return
        if marker == 0xFFEB:
            body = _head(file, at + 4, max(0, min(length - 2, SEGMENT_HEAD)))
            if first and continues_store(body, first):
                yield Piece(at + 4 + _NEXT_HEAD, length - 2 - _NEXT_HEAD)
            elif not first and begins_store(body):
                first = body
                yield Piece(at + 4 + _FIRST_HEAD, length - 2 - _FIRST_HEAD)
        at += 2 + length


def _in_png(file: BinaryIO, end: int) -> Iterator[Piece]:
    at = 8
    while at + 12 <= end:
        length, name = struct.unpack(">I4s", _head(file, at, 8))
        if at + 12 + length > end:
            raise ValueError("a PNG chunk reaches past the end")
        if name == b"caBX":
            yield Piece(at + 8, length, chunk=at)
        at += 12 + length


def _in_webp(file: BinaryIO, end: int) -> Iterator[Piece]:
    at = 12
    while at + 8 <= end:
        name, length = struct.unpack("<4sI", _head(file, at, 8))
        if at + 8 + length > end:
            raise ValueError("a RIFF chunk reaches past the end")
        if name == b"C2PA":
            yield Piece(at + 8, length)
        at += 8 + length + (length & 1)


def _in_boxes(file: BinaryIO, end: int) -> Iterator[Piece]:
    for box in boxes.walk(file, 0, end):
        if box.uuid == boxes.C2PA_UUID:
            begin = box.start + _FULL_BOX
            purpose = _head(file, begin, 64).index(b"\0")
            start = begin + purpose + _PURPOSE_END
            yield Piece(start, box.end - start)
            return


_READERS = {"image/jpeg": _in_jpeg, "image/png": _in_png, "image/webp": _in_webp}
