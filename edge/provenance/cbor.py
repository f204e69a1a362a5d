"""The little of CBOR (RFC 8949) that a signature needs: heads, lengths, and where an item ends."""

from __future__ import annotations

BYTES, TEXT, ARRAY, MAP, TAG = 2, 3, 4, 5, 6
"""Major types."""

_UNKNOWN = 31  # in the head of an item whose end is told by a break
_BREAK = 0xFF
_MAX_DEPTH = 16


def text(content: str) -> bytes:
    """Return a text as CBOR."""
    return length(TEXT, len(content.encode())) + content.encode()


def octets(content: bytes) -> bytes:
    """Return a byte string as CBOR."""
    return length(BYTES, len(content)) + content


def length(major: int, number: int) -> bytes:
    """Return the shortest head of an item.

    Raises:
        ValueError: The number needs more than four bytes.
    """
    for short, size in ((24, 1), (25, 2), (26, 4)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << (8 * size):
            return bytes([major << 5 | short]) + number.to_bytes(size, "big")
    raise ValueError("too long")


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument, and where the content of an item starts.

    Every spelling of the argument is read: 18 may stand in one byte, or in nine.

    Raises:
        ValueError: An item of unknown length.
        IndexError: There is nothing at `at`.
    """
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise ValueError("an item of unknown length")
    size = 1 << (short - 24)
    return major, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def skip(data: bytes, at: int, depth: int = 0) -> int:
    """Return where the item at `at` ends, be its length told or not.

    Raises:
        ValueError: It is malformed, or nested too deep.
        IndexError: It is cut off.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if data[at] & 31 == _UNKNOWN and data[at] >> 5 in {BYTES, TEXT, ARRAY, MAP}:
        at += 1
        while data[at] != _BREAK:
            at = skip(data, at, depth + 1)
        return at + 1
    major, argument, at = head(data, at)
    if major in {BYTES, TEXT}:
        at += argument
    elif major in {ARRAY, MAP, TAG}:
        count = {ARRAY: argument, MAP: 2 * argument, TAG: 1}[major]
        for _ in range(count):
            at = skip(data, at, depth + 1)
    if at > len(data):
        raise ValueError("it reaches past the end")
    return at


def parts(data: bytes, at: int, major: int) -> tuple[list[tuple[int, int]], int]:
    """Return start and end of each item in an array or a map, and where the whole ends.

    Its length may be told, or be unknown until a break: C2PA has the first, and readers take both.

    Args:
        data: What it stands in.
        at: Where it starts.
        major: ARRAY or MAP; of a map, names and values come in turn.

    Raises:
        ValueError: It is something else, or malformed.
        IndexError: It is cut off.
    """
    found: list[tuple[int, int]] = []
    if data[at] == major << 5 | _UNKNOWN:
        at += 1
        while data[at] != _BREAK:
            found.append((at, skip(data, at)))
            at = found[-1][1]
        if major == MAP and len(found) % 2:
            raise ValueError("a name without a value")
        return found, at + 1
    kind, count, at = head(data, at)
    if kind != major:
        raise ValueError("not a map" if major == MAP else "not an array")
    for _ in range(2 * count if major == MAP else count):
        found.append((at, skip(data, at)))
        at = found[-1][1]
    return found, at
