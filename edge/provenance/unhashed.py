"""Boxes of MP4-like files that C2PA leaves out of its hash: does anything hide in them?

They are the brands (`ftyp`), free room (`free`, `skip`) and the index of fragments (`mfra`), at the
top of a file. A signature says nothing of them, so that anybody may write there, and as much as he
likes. A player needs little of it: what goes beyond that is no part of the video.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge.provenance import boxes
from edge.provenance.boxes import Box
from edge.provenance.container import Kind

_PIECE = 1 << 20
_MAX_TEXT = 256
"""Bytes: encoders leave their name in free room, never a letter."""

_MAX_BRANDS = 32
_MAX_INDEX = 4 << 20
_MAX_ENTRIES = 16  # for each fragment; usually there is one


@dataclass(frozen=True, slots=True)
class Unhashed:
    """What was found in them.

    Attributes:
        foreign: What has no business there; None where there is nothing of the kind.
        text: A short text in free room, such as some encoders leave; empty without one.
    """

    foreign: str | None = None
    text: str = ""


def look_at_unhashed(path: Path, kind: Kind) -> Unhashed:
    """Look at the boxes that no hash of C2PA covers.

    Args:
        path: The file.
        kind: What it is; one without such boxes has nothing to find.

    Raises:
        OSError: The file cannot be read.
    """
    if not kind.boxes:
        return Unhashed()
    try:
        with path.open("rb") as file:
            return _looked_at(file, path.stat().st_size)
    except struct.error:
        return Unhashed("a box outside of the hash ends too early")
    except ValueError as error:
        return Unhashed(str(error))


def _looked_at(file: BinaryIO, size: int) -> Unhashed:
    found = list(_placed(file, 0, size))
    fragments = sum(box.kind == b"moof" for _, box in found)
    once = [box.kind for _, box in found if box.kind in {b"ftyp", b"mfra"}]
    _require(len(once) == len(set(once)), "a box that may be there once is there twice")
    text = b""
    for at, box in found:
        if box.kind == b"ftyp":
            _check_brands(_content(file, box))
        elif box.kind == b"mfra":
            _check_index(file, at, box, fragments)
        elif box.kind in {b"free", b"skip"}:
            text += _text_in(file, box)
            _require(len(text) <= _MAX_TEXT, "something was written into its free room")
    return Unhashed(text=text.decode("ascii"))


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _placed(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, Box]]:
    """Yield boxes with where their heads start."""
    at = start
    for box in boxes.walk(file, start, end):
        yield at, box
        at = box.end


def _content(file: BinaryIO, box: Box) -> bytes:
    _require(box.end - box.start <= _MAX_INDEX, "a box outside of the hash is too large")
    file.seek(box.start)
    return file.read(box.end - box.start)


def _check_brands(content: bytes) -> None:
    """Check the brands: a major one, its version, and a few that it is compatible with."""
    brands = [content[:4], *(content[at : at + 4] for at in range(8, len(content), 4))]
    _require(
        len(content) >= 8 and len(content) % 4 == 0 and len(brands) <= _MAX_BRANDS,
        "its list of brands (ftyp) holds something else",
    )
    for brand in brands:  # QuickTime fills its list up with zeros
        _require(
            not any(brand) or (brand.isascii() and brand.decode("ascii").isprintable()),
            "its list of brands (ftyp) holds something else",
        )


def _text_in(file: BinaryIO, box: Box) -> bytes:
    """Return the text in free room, without the zeros around it; usually there is none."""
    file.seek(box.start)
    content = b""
    for begin in range(box.start, box.end, _PIECE):
        content += file.read(min(_PIECE, box.end - begin)).rstrip(b"\0")
        _require(len(content) <= _MAX_TEXT, "something was written into its free room")
    content = content.lstrip(b"\0")
    readable = content.isascii() and content.decode("ascii").isprintable()
    _require(readable, "something was written into its free room")
    return content


def _check_index(file: BinaryIO, at: int, box: Box, fragments: int) -> None:
    """Check the index of fragments: a table for each track, and its own size at the end."""
    content = _content(file, box)
    inner = [(each.kind, content[each.start - box.start : each.end - box.start])
             for each in boxes.walk(file, box.start, box.end)]  # fmt: skip
    kinds = [kind for kind, _ in inner]
    _require(
        kinds[-1:] == [b"mfro"] and set(kinds[:-1]) <= {b"tfra"},
        "its index of fragments (mfra) holds something else",
    )
    _require(
        inner[-1][1] == struct.pack(">II", 0, box.end - at),
        "its index of fragments (mfra) does not end as it should",
    )
    tracks = [_track_of(table, at, fragments) for _, table in inner[:-1]]
    _require(len(tracks) == len(set(tracks)), "its index of fragments (mfra) names a track twice")


def _track_of(table: bytes, end: int, fragments: int) -> int:
    """Return the track of a table in the index.

    Its entries must come in their order and point into the file. That they point at fragments is
    not asked for: signing moves those, and not every signer corrects the index.
    """
    flags, track, sizes, count = struct.unpack_from(">IIII", table)
    wide = flags == 1 << 24
    _require(
        (wide or flags == 0) and sizes < 64 and count <= _MAX_ENTRIES * fragments,
        "a table of its index of fragments (mfra) is malformed",
    )
    rest = sum((sizes >> shift & 3) + 1 for shift in (0, 2, 4))
    entry = struct.Struct(f">{'QQ' if wide else 'II'}{rest}s")
    _require(
        len(table) == 16 + count * entry.size,
        "a table of its index of fragments (mfra) holds something else",
    )
    last = 0
    for time, place, _ in entry.iter_unpack(table[16:]):
        _require(
            time >= last and place < end,
            "its index of fragments (mfra) points at what is none",
        )
        last = time
    return int(track)
