"""The boxes of a manifest store (JUMBF, ISO 19566-5): where they stand, which is active."""

from __future__ import annotations

import struct
from collections.abc import Iterator

SIGNATURE = b"c2cs"
COMPRESSED = b"c2cm"
"""Types of superboxes, the first four bytes of their UUID: a claim's signature, a whole manifest
that is compressed with Brotli."""

_MAX_BOXES = 10_000


class Compressed(ValueError):
    """A manifest is compressed: what is in it is not read here."""


def boxes_in(store: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, content and end of each box between two offsets.

    Raises:
        ValueError: A box has a wrong size, or there are absurdly many.
        struct.error: One is cut off.
    """
    at = start
    for _ in range(_MAX_BOXES):
        if at == end:
            return
        size, name = struct.unpack_from(">I4s", store, at)
        if not 8 <= size <= end - at:
            raise ValueError(f"the box at {at} of the manifest store has a wrong size")
        yield name, at + 8, at + size
        at += size
    raise ValueError("the manifest store holds too many boxes")


def signature_place(store: bytes, manifest: str | None = None) -> tuple[int, int] | None:
    """Return where the CBOR of a manifest's signature starts and ends, or None where it has none.

    The boxes are walked, not searched for a name: the room beside a signature may hold any name.

    Args:
        store: The manifest store.
        manifest: The manifest's label; by default it is the last, which is the active one.

    Raises:
        Compressed: The manifest is compressed.
        ValueError: The boxes are malformed, or there are two that it could be.
        struct.error: One is cut off.
    """
    ((_, start, end),) = boxes_in(store, 0, len(store))
    manifests = [_described(store, *box) for box in list(boxes_in(store, start, end))[1:]]
    named = [each for each in manifests if manifest is None or each[1] == manifest.encode()]
    if not named or (manifest is not None and len(named) > 1):
        raise ValueError("the active manifest is not in the store, or is there twice")
    kind, _, inside, end = named[-1]
    if kind == COMPRESSED:
        raise Compressed("the manifest is compressed")
    parts = [_described(store, *box) for box in boxes_in(store, inside, end)]
    signatures = [each for each in parts if each[0] == SIGNATURE]
    if not signatures:
        return None
    ((_, _, inside, end),) = signatures
    ((name, start, end),) = boxes_in(store, inside, end)
    if name != b"cbor":
        raise ValueError("the signature is no CBOR")
    return start, end


def _described(store: bytes, name: bytes, start: int, end: int) -> tuple[bytes, bytes, int, int]:
    """Return a superbox's type, its label, and where the boxes after its description are."""
    if name != b"jumb":
        raise ValueError(f"the box at {start - 8} of the manifest store is no superbox")
    inner, begin, after = next(boxes_in(store, start, end), (b"", start, end))
    if inner != b"jumd":
        raise ValueError(f"the box at {start} of the manifest store is no description")
    return store[begin : begin + 4], store[begin + 17 : after].partition(b"\0")[0], after, end
