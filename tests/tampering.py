"""Spoiled copies of signed files, made for the tests and nowhere else in this project.

Every function takes the bytes of a file that edge-swap signed and returns other bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.provenance import boxes, manifest, xmp

Change = Callable[[bytes], bytes]

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "mp4": "video/mp4",
}

ASSERTIONS = (
    manifest.SWAP,
    manifest.CONSENT,
    manifest.TARGET,
    manifest.LABEL,
    manifest.IMPLICIT,
    "c2pa.actions.v2",
    "c2pa.ingredient.v3",
)


_PICTURES = {
    "jpg": (b"\xff\xda", 900),
    "png": (b"IDAT", 100),
    "webp": (b"VP8L", 100),
    "mp4": (b"mdat", 100),
}
_HEADERS = {
    "jpg": (b"\xff\xdb", 10),
    "png": (b"IHDR", 14),
    "webp": (b"VP8X", 9),
    "mp4": (b"mvhd", 14),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands in a file: first byte, and first byte after it."""

    start: int
    end: int


def flip(at: int) -> Change:
    """Flip the lowest bit of the byte at `at`; from the end where negative."""

    def change(content: bytes) -> bytes:
        place = at % len(content)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return change


def flip_after(needle: bytes, distance: int) -> Change:
    """Flip the lowest bit of the byte that is `distance` after the start of `needle`."""

    def change(content: bytes) -> bytes:
        return flip(content.rindex(needle) + distance)(content)

    return change


def replaced(old: bytes, new: bytes) -> Change:
    """Write other bytes, as many, in every place of `old`."""
    assert len(old) == len(new)

    def change(content: bytes) -> bytes:
        changed = content.replace(old, new)
        assert changed != content
        return changed

    return change


def store_span(content: bytes, suffix: str) -> Span:
    """Return where the container holds the manifest store, its frame in the container included."""
    for span, is_store in _pieces(content, suffix):
        if is_store:
            return span
    raise ValueError("no manifest store")


def without_store(content: bytes, suffix: str) -> bytes:
    """Return the file as a platform leaves it: the picture whole, the manifest gone."""
    kept = b"".join(content[s.start : s.end] for s, is_store in _pieces(content, suffix)
                    if not is_store)  # fmt: skip
    if suffix == "webp":
        return content[:4] + struct.pack("<I", len(kept) - 8) + kept[8:]
    return kept


def with_store_of(content: bytes, other: bytes, suffix: str) -> bytes:
    """Return the file with the manifest store of another file in place of its own."""
    mine, theirs = store_span(content, suffix), store_span(other, suffix)
    whole = content[: mine.start] + other[theirs.start : theirs.end] + content[mine.end :]
    if suffix == "webp":
        return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
    return whole


def regions(content: bytes, suffix: str) -> dict[str, int]:
    """Return the place of one byte in every region of a signed file.

    The names say what stands there: the container's own headers, the implicit label, each part of
    the manifest, the coded picture, the end of the file.
    """
    store = store_span(content, suffix)
    found = {
        "implicit label": content.index(b"ContentProducer") + 20,
        "store: frame": store.start + {"jpg": 4, "png": 6, "webp": 6, "mp4": 26}[suffix],
        "store: superbox": content.index(b"jumdc2pa", store.start) - 5,
        "store: type": content.index(b"jumdc2pa", store.start) + 6,
        "claim": content.rindex(b"c2pa.claim.v2\0") + 60,
        "claim: generator": content.rindex(b"claim_generator_info") + 30,
        "signature: protected header": content.rindex(b"cbor\xd2\x84") + 12,
        "signature: certificate": content.rindex(b"cbor\xd2\x84") + 200,
        "signature: certificate's version": content.index(
            b"\xa0\x03\x02\x01\x02", content.rindex(b"cbor\xd2\x84")
        )
        + 4,
        "signature: padding": content.rindex(b"\x63pad\x59") + 2000,
        "signature: value": _signature_value(content),
        "binding": content.rindex(b"hash", store.start, store.end) + 12,
        "picture": _after(content, *_PICTURES[suffix]),
        "headers": _after(content, *_HEADERS[suffix]),
        "end": len(content) - 2,
    }
    return found | {f"assertion {label}": _cbor_after(content, label) for label in ASSERTIONS}


def free(content: bytes, suffix: str) -> range:
    """Return the bytes that C2PA covers by no hash, and in which any value is right.

    They are the instance number of a JPEG's box, and the brands of an MP4.
    """
    store = store_span(content, suffix)
    none = range(0)
    return {"jpg": range(store.start + 6, store.start + 8), "mp4": range(8, store.start)}.get(
        suffix, none
    )


def everywhere(content: bytes, count: int) -> Iterator[int]:
    """Yield `count` places spread evenly over the file."""
    for number in range(count):
        yield number * (len(content) - 1) // (count - 1)


def _after(content: bytes, needle: bytes, distance: int) -> int:
    return content.rindex(needle) + distance


def _cbor_after(content: bytes, label: str) -> int:
    """Return a place inside the CBOR of the assertion with this label."""
    at = content.index(label.encode() + b"\0")
    return content.index(b"cbor", at) + 24


def _signature_value(content: bytes) -> int:
    """Return a place in the signature: the last byte string of COSE, 64 bytes for ES256."""
    at = content.rindex(b"cbor\xd2\x84")
    return content.index(b"\xf6\x58\x40", at) + 20


def _pieces(content: bytes, suffix: str) -> Iterator[tuple[Span, bool]]:
    pieces = {"jpg": _jpeg, "png": _png, "webp": _webp, "mp4": _mp4}[suffix](content)
    yield from pieces


def _jpeg(content: bytes) -> Iterator[tuple[Span, bool]]:
    yield Span(0, 2), False
    at = 2
    for marker, body in xmp.jpeg_segments(content):
        end = at + 4 + len(body)
        yield Span(at, end), marker == 0xEB
        at = end
    yield Span(at, len(content)), False


def _png(content: bytes) -> Iterator[tuple[Span, bool]]:
    yield Span(0, 8), False
    at = 8
    for kind, body in xmp.png_chunks(content):
        end = at + 12 + len(body)
        yield Span(at, end), kind == b"caBX"
        at = end


def _webp(content: bytes) -> Iterator[tuple[Span, bool]]:
    yield Span(0, 12), False
    at = 12
    for kind, body in xmp.riff_chunks(content):
        end = at + 8 + len(body) + (len(body) & 1)
        yield Span(at, end), kind == b"C2PA"
        at = end


def _mp4(content: bytes) -> Iterator[tuple[Span, bool]]:
    at = 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        is_store = kind == b"uuid" and content[at + 8 : at + 24] == boxes.C2PA_UUID
        yield Span(at, at + size), is_store
        at += size
