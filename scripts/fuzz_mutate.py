"""Damage files as accidents and attackers do: anywhere, or where the format has its joints.

`mutated` takes a good file and gives another one, the same for the same seed. Half of the changes
know nothing of formats (bits, numbers, cuts, splices); the others take the file apart (segments,
chunks, boxes, records, fields) and change a length, a kind, an order or a body, with the sums
around it put right again in half of the cases, so that a reader gets beyond its first check.
"""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

KINDS = ("jpeg", "png", "webp", "mp4", "xmp", "onnx", "zip")

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""At the edges of what counters hold."""

_MOST = 1 << 20  # bytes that one change adds at most
_DEPTH = 5  # of boxes in boxes, records in records


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file: `head` says kind and size, `body` follows.

    Attributes:
        start: First byte of the head.
        body: First byte of the body.
        end: First byte after it.
        size_at: Where its size stands; -1 where nowhere.
        size_form: How, as `struct` has it.
        kind_at: Where its four letters of kind stand; -1 where nowhere.
    """

    start: int
    body: int
    end: int
    size_at: int = -1
    size_form: str = ""
    kind_at: int = -1


# Taking apart -------------------------------------------------------------------------------------


def _jpeg(data: bytes) -> Iterator[Piece]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        (size,) = struct.unpack_from(">H", data, at + 2)
        end = min(at + 2 + size, len(data))
        yield Piece(at, at + 4, end, at + 2, ">H", at)
        if data[at + 1] == 0xDA:
            yield Piece(end, end, len(data))
            return
        at = max(end, at + 2)


def _png(data: bytes) -> Iterator[Piece]:
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        end = at + 12 + size
        if end > len(data):
            return
        yield Piece(at, at + 8, end, at, ">I", at + 4)
        at = end


def _riff(data: bytes) -> Iterator[Piece]:
    if len(data) < 12:
        return
    yield Piece(0, 12, len(data), 4, "<I", 8)
    at = 12
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        end = min(at + 8 + size + (size & 1), len(data))
        yield Piece(at, at + 8, end, at + 4, "<I", at)
        at = end


_HOLDING = {
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"udta",
    b"edts",
    b"dinf",
    b"moof",
    b"traf",
}


def _boxes(data: bytes, start: int = 0, end: int = -1, depth: int = 0) -> Iterator[Piece]:
    at, end = start, len(data) if end < 0 else end
    while at + 8 <= end:
        (size,) = struct.unpack_from(">I", data, at)
        stop = at + size
        if size < 8 or stop > end:
            return
        yield Piece(at, at + 8, stop, at, ">I", at + 4)
        if data[at + 4 : at + 8] in _HOLDING and depth < _DEPTH:
            yield from _boxes(data, at + 8, stop, depth + 1)
        at = stop


_ZIP_HEADS = {b"PK\3\4": 30, b"PK\1\2": 46, b"PK\5\6": 22}


def _zip(data: bytes) -> Iterator[Piece]:
    places = [match.start() for match in re.finditer(rb"PK(\x03\x04|\x01\x02|\x05\x06)", data)]
    for start, end in pairwise([*places, len(data)]):
        head = min(start + _ZIP_HEADS[data[start : start + 4]], end)
        size_at = start + (18 if data[start + 2] == 3 else 20 if data[start + 2] == 1 else 12)
        yield Piece(start, head, end, size_at if size_at + 4 <= end else -1, "<I", start)


_PIECES: dict[str, Callable[[bytes], Iterator[Piece]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _riff,
    "mp4": _boxes,
    "zip": _zip,
}


# Changes that know nothing ------------------------------------------------------------------------


def _bits(data: bytes, chance: random.Random) -> bytes:
    work = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        work[chance.randrange(len(work))] ^= 1 << chance.randrange(8)
    return bytes(work)


def _number(data: bytes, chance: random.Random) -> bytes:
    form = chance.choice((">H", "<H", ">I", "<I", "B"))
    width = struct.calcsize(form)
    if len(data) < width:
        return data
    at = chance.randrange(len(data) - width + 1)
    (now,) = struct.unpack_from(form, data, at)
    value = chance.choice((*NUMBERS, now + 1, now - 1, now * 2, len(data)))
    return data[:at] + struct.pack(form, value % (1 << 8 * width)) + data[at + width :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data) + 1)]


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 16, 256, 4096)))


def _drop(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    times = chance.choice((1, 2, 100))
    return data[:end] + (data[start:end] * times)[:_MOST] + data[end:]


def _fill(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + bytes([chance.choice((0, 0x20, 0x41, 0xFF))]) * (end - start) + data[end:]


_BLIND = (_bits, _bits, _number, _number, _cut, _drop, _repeat, _fill)


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Put a part of another file in, in place of one of this, or the two together."""
    if chance.random() < 0.3:
        cut = chance.randrange(len(data))
        return data[:cut] + other[chance.randrange(len(other)) :]
    start, end = _span(data, chance)
    first, last = _span(other, chance)
    return data[:start] + other[first:last] + data[end:]


# Changes at the joints ----------------------------------------------------------------------------


def _at_joint(data: bytes, kind: str, chance: random.Random) -> bytes:
    pieces = list(_PIECES[kind](data))
    if not pieces:
        return _number(data, chance)
    piece = chance.choice(pieces)
    whole = data[piece.start : piece.end]
    how = chance.choice(("size", "size", "kind", "drop", "twice", "many", "move", "body", "body"))
    if how == "size" and piece.size_at >= 0:
        return _resized(data, piece, chance)
    if how == "kind" and piece.kind_at >= 0:
        other = chance.choice(pieces)
        name = data[other.kind_at : other.kind_at + 4] if other.kind_at >= 0 else b"\0\0\0\0"
        return data[: piece.kind_at] + name + data[piece.kind_at + 4 :]
    if how == "drop":
        return data[: piece.start] + data[piece.end :]
    if how in {"twice", "many"}:
        times = 1 if how == "twice" else max(1, min(3000, _MOST // max(1, len(whole))))
        return data[: piece.end] + whole * times + data[piece.end :]
    if how == "move":
        place = chance.choice(pieces).start
        rest = data[: piece.start] + data[piece.end :]
        return rest[:place] + whole + rest[place:]
    body = data[piece.body : piece.end]
    changed = chance.choice(_BLIND)(body, chance) if body else body
    return _rebuilt(data, piece, changed, kind, chance)


def _resized(data: bytes, piece: Piece, chance: random.Random) -> bytes:
    width = struct.calcsize(piece.size_form)
    (now,) = struct.unpack_from(piece.size_form, data, piece.size_at)
    value = chance.choice((*NUMBERS, now + 1, now - 1, now + 8, now // 2, len(data))) % (
        1 << 8 * width
    )
    packed = struct.pack(piece.size_form, value)
    return data[: piece.size_at] + packed + data[piece.size_at + width :]


def _rebuilt(data: bytes, piece: Piece, body: bytes, kind: str, chance: random.Random) -> bytes:
    """Put a changed body in; in half of the cases with its size, and a PNG's sum, right again."""
    head = bytearray(data[piece.start : piece.body])
    if piece.size_at >= 0 and chance.random() < 0.5:
        if kind == "png":
            body = body[:-4] if len(body) >= 4 else b""
            head = bytearray(struct.pack(">I", len(body)) + data[piece.kind_at : piece.kind_at + 4])
            body += struct.pack(">I", zlib.crc32(bytes(head[4:]) + body))
        elif kind != "zip":
            more = {"jpeg": 2, "webp": 0, "mp4": 8}[kind]
            limit = 1 << 8 * struct.calcsize(piece.size_form)
            size = struct.pack(piece.size_form, (len(body) + more) % limit)
            at = piece.size_at - piece.start
            head[at : at + len(size)] = size
    return data[: piece.start] + bytes(head) + body + data[piece.end :]


# Protocol buffers: ONNX ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Field:
    """One field of a protocol buffer: a number, bytes, or more fields."""

    number: int
    wire: int
    value: int | bytes | list[_Field]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("no varint")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes, depth: int = 0) -> list[_Field]:
    found: list[_Field] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes | list[_Field]
        if not number:
            raise ValueError("no field")
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in {1, 2, 5}:
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("too short")
            value = data[at : at + size]
            at += size
            if wire == 2 and depth < _DEPTH and 1 < size < 100_000:
                value = _as_fields(value, depth)
        else:
            raise ValueError("no such wire type")
        found.append(_Field(number, wire, value))
    return found


def _as_fields(value: bytes, depth: int) -> bytes | list[_Field]:
    try:
        return _fields(value, depth + 1)
    except ValueError:
        return value


def _packed(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _joined(fields: Sequence[_Field]) -> bytes:
    out = bytearray()
    for field in fields:
        out += _packed(field.number << 3 | field.wire)
        if isinstance(field.value, int):
            out += _packed(field.value)
            continue
        body = field.value if isinstance(field.value, bytes) else _joined(field.value)
        out += (_packed(len(body)) if field.wire == 2 else b"") + body
    return bytes(out)


def _message(data: bytes, chance: random.Random) -> bytes:
    """Change one field somewhere in a protocol buffer; all sizes around it stay right."""
    try:
        top = _fields(data)
    except ValueError:
        return _number(data, chance)
    rows = top
    while True:
        at = chance.randrange(len(rows))
        inner = rows[at].value
        if not isinstance(inner, list) or not inner or chance.random() < 0.15:
            break
        rows = inner
    field = rows[at]
    how = chance.choice(("drop", "twice", "move", "value", "value", "value", "number"))
    if how == "drop":
        del rows[at]
    elif how == "twice":
        rows[at:at] = [field] * chance.choice((1, 1, 500))
    elif how == "move":
        rows.insert(chance.randrange(len(rows)), rows.pop(at))
    elif how == "number":
        field.number = chance.randrange(1, 40)
    elif isinstance(field.value, int):
        big = 1 << chance.choice((31, 32, 40, 62, 63))
        field.value = chance.choice((*NUMBERS, -1, field.value + 1, field.value - 1, big))
    elif isinstance(field.value, bytes) and field.value:
        names = (b"../../etc/passwd", b"If", b"Loop", b"", b"\xff\xfe", b"a" * 70_000)
        other = chance.choice(_BLIND)(field.value, chance)
        field.value = other if chance.random() < 0.7 or field.wire != 2 else chance.choice(names)
        if field.wire != 2:
            field.value = (field.value + bytes(8))[: 8 if field.wire == 1 else 4]
    return _joined(top)


# XMP ----------------------------------------------------------------------------------------------

_SPICES = (
    b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>",
    b"&lol;",
    b"&#0;",
    b"&#xFFFFFFFF;",
    b"<![CDATA[",
    b"<a>" * 5000,
    b"\xff\xfe",
    b"\x00",
    "‮".encode(),
    b"\x1b[31m",
    b'xmlns:x="y"',
    b"{" * 5000,
    b'"' * 40,
    b"</rdf:RDF>",
    b"<?xpacket end='r'?>",
    b" " * 70_000,
)


def xmp_packet(packet: bytes, chance: random.Random) -> bytes:
    """Return a changed XMP packet: marks, entities, depth, or anything."""
    for _ in range(chance.choice((1, 1, 2))):
        if not packet or chance.random() < 0.5:
            at = chance.randrange(len(packet) + 1)
            packet = packet[:at] + chance.choice(_SPICES) + packet[at:]
        else:
            packet = chance.choice(_BLIND)(packet, chance)
    if chance.random() < 0.1:
        packet = packet.decode("utf-8", "replace").encode("utf-16")
    return packet


#  -------------------------------------------------------------------------------------------------


def mutated(data: bytes, kind: str, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Return a damaged copy of a file.

    Args:
        data: A good file; not empty.
        kind: One of `KINDS`; says how it is taken apart.
        chance: Where the changes come from.
        others: Files of the same and of other kinds, to splice parts of in.
    """
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        draw = chance.random()
        if draw < 0.1:
            data = _splice(data, chance.choice(others), chance)
        elif draw < 0.5 or kind == "xmp":
            data = chance.choice(_BLIND)(data, chance)
        elif kind == "onnx":
            data = _message(data, chance)
        else:
            data = _at_joint(data, kind, chance)
    return data
